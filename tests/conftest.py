"""What holds for every test: shared servers, programs that Ctrl-C reaches, examples that may take their time."""

import errno
import os
import signal

import pytest
from hypothesis import settings

pytest_plugins = ["support.stores.minio_server"]

settings.register_profile("whisperjob", deadline=None)  # how long an example takes depends on the machine's load
settings.load_profile("whisperjob")


if "COVERAGE_PROCESS_CONFIG" in os.environ:
    # Landlock would keep confined workers from writing what was measured of them, so that the kernel has none here.
    # What is tested of Landlock is skipped then.
    import pyseccomp

    _without_landlock = pyseccomp.SyscallFilter(defaction=pyseccomp.ALLOW)
    _without_landlock.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "landlock_create_ruleset")
    _without_landlock.load()


def pytest_configure(config: pytest.Config) -> None:
    """A job in a shell's background starts with SIGINT ignored, and so would every program that a test starts.

    A signal that has a handler is back at its default in a new program; one that is ignored stays ignored.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
