"""What a machine, or a service that it depends on, may lack: never the fault of the recording, and worth waiting for.

A worker says it by its exit status, which every launcher can read; pods have no other way once they are gone.
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from whisperjob.model.errors import WhisperJobError


class MachineFault(IntEnum):
    """The faults, by the exit status of a worker that met one. The numbers are part of the worker protocol."""

    NO_SPACE = 4
    NO_MEMORY = 5
    NO_PROGRAM = 6
    NOT_CONFINED = 7
    STORE_UNAVAILABLE = 8
    ENGINE_UNAVAILABLE = 9
    FILES_UNAVAILABLE = 10


SENTENCES: Final[Mapping[MachineFault, str]] = {
    MachineFault.NO_SPACE: "the disk has no space left for the work",
    MachineFault.NO_MEMORY: "the machine has too little memory for the work, or allows too little",
    MachineFault.NO_PROGRAM: "a program of the machine (ffmpeg, ffprobe) is missing, or does not work",
    MachineFault.NOT_CONFINED: "the sandbox that the settings require cannot be set up on the machine",
    MachineFault.STORE_UNAVAILABLE: "the object store does not answer the worker",
    MachineFault.ENGINE_UNAVAILABLE: "the service does not answer its worker",
    MachineFault.FILES_UNAVAILABLE: "files cannot be read or written on the machine",
}
"""What is said to the owner of a job that waits: the end of a sentence, without a detail of the machine."""


class MachineFaultError(WhisperJobError):
    """A worker cannot work on this machine now. `detail` is for logs."""

    def __init__(self, fault: MachineFault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault


class NoSpaceError(MachineFaultError):
    """There is no room for the work, on the worker's disk or in the store."""

    def __init__(self, detail: str) -> None:
        super().__init__(MachineFault.NO_SPACE, detail)


def find_machine_fault(exit_code: int | None) -> MachineFault | None:
    """Returns the fault that a worker met, by its exit status; None if the status is that of something else."""
    return MachineFault(exit_code) if exit_code in _NUMBERS else None


_NUMBERS: Final = frozenset(MachineFault)
