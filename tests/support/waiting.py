"""Waiting for a condition with a deadline; the only way tests wait."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_POLL_SECONDS = 0.01


async def until(condition: Callable[[], T], what: str, timeout: float = 10) -> T:
    """The first true value of `condition`; fails with `what` was waited for when time is up."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {timeout} s in vain for {what}"
        await asyncio.sleep(_POLL_SECONDS)
    return value


def until_sync(condition: Callable[[], T], what: str, timeout: float = 10) -> T:
    """The same for a test without an event loop."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {timeout} s in vain for {what}"
        time.sleep(_POLL_SECONDS)
    return value
