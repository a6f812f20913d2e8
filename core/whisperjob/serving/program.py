"""What the programs of a cluster have in common: the log, the exit status, and the store they share."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from pydantic import ValidationError

from whisperjob.model.errors import WhisperJobError
from whisperjob.model.settings import StoreSettings, setting_at_fault
from whisperjob.private_memory import close_memory
from whisperjob.stores.s3 import S3Store

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def run_program(
    log: logging.Logger, serve: Callable[[], Coroutine[Any, Any, None]], loop_factory: LoopFactory | None = None
) -> int:
    """Runs `serve` and returns the exit status: 0 after a signal, 1 after an error, which is logged as one sentence."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    close_memory()
    problem = ""
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(serve())
    except ValidationError as error:
        problem = setting_at_fault(error)
    except (WhisperJobError, OSError, ValueError) as error:
        problem = str(error)
    if problem:
        log.error("%s", problem)
    return 1 if problem else 0


def open_shared_store() -> S3Store:
    """Returns the store of the settings. Raises ValueError if it is not one that every pod can reach."""
    settings = StoreSettings()
    if not settings.s3_endpoint:
        raise ValueError("WHISPERJOB_S3_ENDPOINT is not set: workers in other pods cannot reach a folder of this one")
    return S3Store(settings)
