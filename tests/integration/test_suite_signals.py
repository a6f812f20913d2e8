"""The tests end programs by SIGINT, as Ctrl-C does; so they must pass where a shell has it ignored."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.programs.environment import unconfigured

ROOT = Path(__file__).parents[2]
IN_BACKGROUND = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]
"""As a shell without job control starts a command with `&`."""

WAITS = "import time; print('started', flush=True); time.sleep(60)"
CLUSTER = """
import sys, time
import cluster.__main__ as program

def waits(use):
    print("started", flush=True)
    time.sleep(60)

program.with_cluster = waits
sys.exit(program.main())
"""


def test_a_program_that_a_test_starts_can_be_interrupted() -> None:
    with started([sys.executable, "-c", WAITS]) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == -signal.SIGINT


def test_so_it_is_where_the_tests_were_started_with_sigint_ignored() -> None:
    one = f"{Path(__file__).relative_to(ROOT)}::{test_a_program_that_a_test_starts_can_be_interrupted.__name__}"
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", one]
    ended = subprocess.run([*IN_BACKGROUND, *tests], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout


def test_make_cluster_ends_by_sigint_where_it_was_ignored() -> None:
    with started([*IN_BACKGROUND, sys.executable, "-c", CLUSTER]) as process:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=10)
    assert (process.returncode, said) == (0, "\nThe cluster is gone.\n")


@contextmanager
def started(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """A program that has said its first line; killed where it did not end."""
    environment = {**unconfigured(), "PYTHONPATH": str(ROOT / "tests")}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            yield process
        finally:
            process.kill()
