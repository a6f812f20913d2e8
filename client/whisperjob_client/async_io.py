"""How `AsyncClient` waits and reads files. `sync_io` has the same names for its generated twin, `Client`."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import anyio
import anyio.to_thread

from whisperjob_client.api import bounded_bodies

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

Attempt = Callable[[], Awaitable[R]]
"""One try at something that may be tried again."""

Sleep = Callable[[float], Awaitable[None]]

sleep: Sleep = anyio.sleep

event_hooks = bounded_bodies.async_event_hooks


async def open_file(file: Path) -> anyio.AsyncFile[bytes]:
    return await anyio.open_file(file, "rb")


async def run_blocking(function: Callable[[*Ts], R], *arguments: *Ts) -> R:
    """Calls a function that blocks, without blocking the event loop."""
    return await anyio.to_thread.run_sync(function, *arguments)
