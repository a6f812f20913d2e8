"""What Ctrl-C and SIGTERM do: a command unwinds, says what continues on the server, and offers to cancel that."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from whisperjob_cli.terminal import echo
from whisperjob_client.errors import StoppedError


class Terminated(KeyboardInterrupt):
    """SIGTERM. It unwinds like Ctrl-C, so that a terminal gets its cursor back and temporary files are removed."""


@contextmanager
def termination_unwinds() -> Iterator[None]:
    """Makes SIGTERM raise Terminated, where it would end the program at once."""
    try:
        changed = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        if changed:
            signal.signal(signal.SIGTERM, _raise)
    except ValueError:  # not in the main thread
        changed = False
    try:
        yield
    finally:
        if changed:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _raise(_number: int, _frame: FrameType | None) -> NoReturn:
    raise Terminated


def offer_to_cancel(job_id: str, cancel: Callable[[str], object], *, may_ask: bool) -> str:
    """Asks on a terminal whether the server's job is to be cancelled too, and does it. Returns what is so now.

    Another Ctrl-C means no. Without a terminal, there is no question. Raises what `cancel` raises.
    """
    continues = f"Job {job_id} continues on the server; `whisperjob delete {job_id}` cancels it."
    if not may_ask or sys.stdin is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return continues
    try:  # another Ctrl-C may come as soon as the question is on the terminal
        echo(f"Cancel job {job_id} on the server, too? [y/N] ", err=True, nl=False)
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        echo(err=True)
        return continues
    if answer.strip().lower() not in ("y", "yes"):
        return continues
    cancel(job_id)
    return f"Job {job_id} is cancelled."


@contextmanager
def interruption_says(sentence: str) -> Iterator[None]:
    """Turns an interruption of the `with` block into StoppedError with a sentence about what continues."""
    try:
        yield
    except KeyboardInterrupt:
        raise StoppedError(f"Interrupted. {sentence}") from None


@contextmanager
def interruption_offers(
    unfinished_job: Callable[[], str | None], cancel: Callable[[str], object], *, as_json: bool
) -> Iterator[None]:
    """Turns an interruption of the `with` block into StoppedError, after the offer if a job is at work."""
    try:
        yield
    except KeyboardInterrupt as interruption:
        job_id = unfinished_job()
        if job_id is None:
            raise StoppedError("Interrupted.") from None
        may_ask = not as_json and not isinstance(interruption, Terminated)
        raise StoppedError(f"Interrupted. {offer_to_cancel(job_id, cancel, may_ask=may_ask)}") from None
