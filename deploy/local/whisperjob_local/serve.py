"""The edge of `whisperjob serve` and of every command that runs a service: event loop, signals, log, exit codes."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from whisperjob.serving.signals import on_stop_signals
from whisperjob_local.service import Ready, run_service
from whisperjob_local.service_settings import ServiceSettings

T = TypeVar("T")


def serve(settings: ServiceSettings, announce: Callable[[Ready], None]) -> None:
    """Serves until SIGINT or SIGTERM; a second one waits for no upload in flight. Raises what run_service does."""
    os.umask(0o077)  # recordings are their owners' business, also in a data folder that others may enter
    run_on_loop(_serve(settings, announce))


async def _serve(settings: ServiceSettings, announce: Callable[[Ready], None]) -> None:
    told = asyncio.Event()
    whole = asyncio.current_task()

    def stop() -> None:
        if told.is_set() and whole is not None:
            whole.cancel()
        told.set()

    async def body(ready: Ready) -> None:
        announce(ready)
        await told.wait()

    on_stop_signals(stop)
    await run_service(settings, body)


def run_on_loop(work: Coroutine[Any, Any, T]) -> T:
    """On uvloop where it can be had: it moves uploads with less of the CPU."""
    if sys.platform == "win32":
        return asyncio.run(work)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def log_to_stderr(level: int) -> None:
    logging.basicConfig(level=level, stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    for chatty in ("httpx", "uvicorn"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
