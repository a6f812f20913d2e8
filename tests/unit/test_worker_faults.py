"""Whose fault a failure is: the table of exit statuses, messages and errors."""

import errno

import pytest

from whisperjob.model.errors import InputError, JobCode
from whisperjob.model.machine_faults import SENTENCES, MachineFault, MachineFaultError, find_machine_fault
from whisperjob.worker.client import EngineUnavailableError
from whisperjob.worker.faults import find_fault, find_program_fault
from whisperjob.worker.processes.runner import ProgramError
from whisperjob.worker.transport.port import StoreUnreachableError, TransportError


@pytest.mark.parametrize(
    ("returncode", "stderr", "fault"),
    [
        (0, "No space left on device", None),
        (1, "", None),
        (1, "Invalid data found when processing input", None),
        (187, "Conversion failed!", None),
        (1, "talk.mp4: Cannot allocate memory", None),  # damaged files ask for too much
        (1, "talk.mp4: Input/output error", None),  # and end in the middle
        (-11, "", None),
        (-9, "", None),
        (125, "", MachineFault.NOT_CONFINED),
        (126, "", MachineFault.NO_PROGRAM),
        (127, "ffmpeg: error while loading shared libraries: libavutil.so.57", MachineFault.NO_PROGRAM),
        (1, "ffmpeg: error while loading shared libraries: libavutil.so.57", MachineFault.NO_PROGRAM),
        (1, "av_interleaved_write_frame(): No space left on device", MachineFault.NO_SPACE),
        (1, "out.mp3: Disk quota exceeded", MachineFault.NO_SPACE),
        (1, "out.mp3: Read-only file system", MachineFault.FILES_UNAVAILABLE),
        (1, "pipe: Too many open files", MachineFault.FILES_UNAVAILABLE),
    ],
)
def test_a_program(returncode: int, stderr: str, fault: MachineFault | None) -> None:
    assert find_program_fault(returncode, stderr) is fault


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (OSError(errno.ENOSPC, "full"), MachineFault.NO_SPACE),
        (OSError(errno.EDQUOT, "quota"), MachineFault.NO_SPACE),
        (OSError(errno.ENOMEM, "memory"), MachineFault.NO_MEMORY),
        (BlockingIOError(errno.EAGAIN, "no more processes"), MachineFault.NO_MEMORY),
        (PermissionError(errno.EACCES, "denied"), MachineFault.FILES_UNAVAILABLE),
        (OSError(errno.EROFS, "read-only"), MachineFault.FILES_UNAVAILABLE),
        (OSError(errno.EMFILE, "files"), MachineFault.FILES_UNAVAILABLE),
        (OSError(errno.EIO, "a broken disk"), MachineFault.FILES_UNAVAILABLE),
        (OSError(errno.ESTALE, "a network's disk"), MachineFault.FILES_UNAVAILABLE),
        (BrokenPipeError(errno.EPIPE, "ffmpeg is gone"), None),  # a recording may have crashed it
        (OSError(errno.EFBIG, "too large"), None),  # and may reach the limit of a file
        (OSError("no number"), None),
        (StoreUnreachableError("no answer"), MachineFault.STORE_UNAVAILABLE),
        (EngineUnavailableError("no answer"), MachineFault.ENGINE_UNAVAILABLE),
        (TransportError("the source is not what was stored"), None),
        (ProgramError("ffmpeg was ended by signal 11"), None),
        (InputError(JobCode.NOT_MEDIA, "The file is no recording."), None),
        (MemoryError(), None),  # a bomb, or a machine that is too small
    ],
)
def test_an_error(error: Exception, fault: MachineFault | None) -> None:
    assert find_fault(error) is fault


@pytest.mark.parametrize("fault", MachineFault)
def test_every_fault_has_an_exit_status_and_a_sentence(fault: MachineFault) -> None:
    assert find_machine_fault(int(fault)) is fault
    assert SENTENCES[fault]
    assert find_fault(MachineFaultError(fault, "why")) is fault


@pytest.mark.parametrize("code", [None, 0, 1, 2, 3, 11, 137, 143, -9])
def test_other_exit_statuses_say_nothing(code: int | None) -> None:
    assert find_machine_fault(code) is None
