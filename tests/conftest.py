"""What holds for every test: the servers that are shared, and programs that Ctrl-C reaches."""

import signal

import pytest

pytest_plugins = ["support.stores.minio_server"]


def pytest_configure(config: pytest.Config) -> None:
    """A job in a shell's background starts with SIGINT ignored, and so would every program that a test starts.

    A signal that has a handler is back at its default in a new program; one that is ignored stays ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
