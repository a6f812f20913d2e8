"""How `Client` waits and reads files; the twin of `async_io`."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar, TypeVarTuple

from whisperjob_client.api import bounded_bodies

R = TypeVar("R")
Ts = TypeVarTuple("Ts")

Attempt = Callable[[], R]
"""One try at something that may be tried again."""

Sleep = Callable[[float], None]

sleep: Sleep = time.sleep

event_hooks = bounded_bodies.event_hooks


def open_file(file: Path) -> BinaryIO:
    return file.open("rb")


def run_blocking(function: Callable[[*Ts], R], *arguments: *Ts) -> R:
    """Calls a function that blocks."""
    return function(*arguments)
