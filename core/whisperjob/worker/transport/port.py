"""Transfers the inputs and results of one attempt; also the checks that every transport makes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from whisperjob.model.base import Model
from whisperjob.model.errors import WhisperJobError
from whisperjob.model.machine_faults import MachineFault, MachineFaultError
from whisperjob.model.protocol import Input


class TransportError(WhisperJobError):
    """The store did not give an input or did not take a result; the recording is not at fault."""


class StoreUnreachableError(TransportError, MachineFaultError):
    """The store did not answer, or not with success, for as long as the worker has tried."""

    def __init__(self, detail: str) -> None:
        MachineFaultError.__init__(self, MachineFault.STORE_UNAVAILABLE, detail)


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """An input as a file on this machine. `sha256` is None if nothing has computed it yet."""

    path: Path
    sha256: str | None
    scratch_bytes: int
    """How much of the scratch space it takes up; 0 where it is read in place."""

    @property
    def temporary(self) -> bool:
        """It is True for a copy in scratch, which may be removed once it was read."""
        return self.scratch_bytes > 0


class Transport(Protocol):
    """Transfers the inputs and results of one attempt."""

    def fetch(self, index: int = 0) -> FetchedFile:
        """Fetches one of the claim's inputs. Raises TransportError if it cannot be fetched completely."""
        ...

    def publish(self, path: Path, name: str) -> None:
        """Makes a file a result, which others see complete or not at all.

        Raises TransportError, NoSpaceError, OSError.
        """
        ...

    def publish_json(self, content: Model, name: str) -> None:
        """Publishes what is written last: a manifest, or a verdict. Raises as `publish` does."""
        ...


def write_json(content: Model, path: Path) -> Path:
    """Writes a result's JSON to a file and returns its path."""
    path.write_text(content.model_dump_json(by_alias=True, indent=1))
    return path


def check_size(expected: Input, size_bytes: int) -> None:
    """Raises TransportError if an input has another size than its record says."""
    if size_bytes != expected.size_bytes:
        raise TransportError(
            f"{describe(expected)} has {size_bytes} bytes here and {expected.size_bytes} in its record"
        )


def check_sha256(expected: Input, sha256: str) -> None:
    """Raises TransportError if an input has another SHA-256 than its record says."""
    if expected.sha256 not in (None, sha256):
        raise TransportError(f"{describe(expected)} is not what was stored: its SHA-256 differs")


def describe(expected: Input) -> str:
    """Returns what an input is, for error messages."""
    return "a chunk" if expected.samples else "the source"
