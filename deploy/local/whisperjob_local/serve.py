"""Runs `whisperjob serve`: event loop, signals and log, which other commands with a service use as well."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from whisperjob.private_memory import close_memory
from whisperjob.serving.signals import on_stop_signals
from whisperjob_local.service import RunningService, run_service
from whisperjob_local.service_settings import ServiceSettings

T = TypeVar("T")


def serve(settings: ServiceSettings, announce: Callable[[RunningService], None]) -> None:
    """Serves until SIGINT or SIGTERM; at a second signal uploads in flight are broken off.

    Raises what run_service raises.
    """
    os.umask(0o077)  # recordings are private, also in a data folder that other users can read
    run_on_loop(_serve(settings, announce))


async def _serve(settings: ServiceSettings, announce: Callable[[RunningService], None]) -> None:
    stopping = asyncio.Event()
    main_task = asyncio.current_task()

    def stop() -> None:
        if stopping.is_set() and main_task is not None:
            main_task.cancel()
        stopping.set()

    async def body(service: RunningService) -> None:
        announce(service)
        await stopping.wait()

    on_stop_signals(stop)
    await run_service(settings, body)


def run_on_loop(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on uvloop where there is one: uploads take less of the CPU with it.

    The memory of this process, with its keys, is closed to the others of its user.
    """
    close_memory()
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def log_to_stderr(level: int) -> None:
    """Logs to standard error from this level on, and from WARNING on for libraries that log every request."""
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    for library in ("httpx", "uvicorn"):
        logging.getLogger(library).setLevel(max(level, logging.WARNING))
