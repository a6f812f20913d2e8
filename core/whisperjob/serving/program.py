"""What every program of a cluster is around its service: the log, the exit status, the store that all of them share."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from pydantic import ValidationError

from whisperjob.model.errors import WhisperJobError
from whisperjob.model.settings import StoreSettings, setting_at_fault
from whisperjob.stores.s3 import S3Store

LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def run_program(
    log: logging.Logger, serve: Callable[[], Coroutine[Any, Any, None]], loop_factory: LoopFactory | None = None
) -> int:
    """The exit status: 0 after a signal, 1 where it cannot work, with one sentence."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
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


def shared_store() -> S3Store:
    """The settings' store. Raises ValueError where it is none that every pod reaches."""
    settings = StoreSettings()
    if not settings.s3_endpoint:
        raise ValueError("WHISPERJOB_S3_ENDPOINT is not set: workers in other pods reach no folder of this one")
    return S3Store(settings)
