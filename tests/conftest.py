"""What holds for every test: shared servers, programs that Ctrl-C reaches, examples that may take their time."""

import signal

import pytest
from hypothesis import settings

pytest_plugins = ["support.stores.minio_server"]

settings.register_profile("whisperjob", deadline=None)  # how long an example takes depends on the machine's load
settings.load_profile("whisperjob")


def pytest_configure(config: pytest.Config) -> None:
    """A job in a shell's background starts with SIGINT ignored, and so would every program that a test starts.

    A signal that has a handler is back at its default in a new program; one that is ignored stays ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
