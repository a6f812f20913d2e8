"""The signals that end a program."""

import asyncio
import signal
from collections.abc import Callable
from typing import Final

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def on_stop_signals(callback: Callable[[], None]) -> None:
    """Calls back at every SIGINT and SIGTERM. To be called on the event loop, in the main thread."""
    for number in _STOP_SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, callback)
