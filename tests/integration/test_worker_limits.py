"""The kernel ends a program that needs more than its limits, and the error says which one it reached."""

import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from whisperjob.model.machine_faults import MachineFaultError
from whisperjob.worker.processes.confine import NOT_CONFINED
from whisperjob.worker.processes.limits import Limits, Resource
from whisperjob.worker.processes.process_group import ProcessGroup
from whisperjob.worker.processes.runner import LimitError, Program, ProgramError, Runner
from whisperjob.worker.processes.sandbox import Reach, confined

MIB = 1024**2


PYTHONS = tuple(map(Path, {sys.prefix, sys.base_prefix}))


def python(code: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", code]


@pytest.mark.parametrize(
    ("code", "limits", "reached"),
    [
        pytest.param("while True: pass", Limits(cpu_seconds=1), Resource.CPU, id="processor time"),
        pytest.param(
            "import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass",
            Limits(cpu_seconds=1),
            Resource.CPU,
            id="processor time, ignoring the warning",
        ),
        pytest.param(
            "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"  # which Python ignores by itself
            "open('large', 'wb').write(bytes(2 * 1024**2))",
            Limits(file_bytes=MIB),
            Resource.FILE,
            id="file size",
        ),
    ],
)
def test_a_program_ends_at_its_limit(tmp_path: Path, code: str, limits: Limits, reached: Resource) -> None:
    runner = Runner(ProcessGroup(), tmp_path, inputs=PYTHONS)
    with pytest.raises(LimitError) as raised:
        runner.run(Program(python(code), limits=limits))
    assert raised.value.resource is reached
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= MIB


def test_memory_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    done = Runner(ProcessGroup(), tmp_path, inputs=PYTHONS).run(
        Program(python("bytes(300 * 1024**2)"), limits=Limits(memory_bytes=200 * MIB))
    )
    assert done.returncode == 1
    assert "MemoryError" in done.stderr_tail


def test_limits_of_this_process_are_never_raised(tmp_path: Path) -> None:
    """An operator's low limit is kept, and is no error."""
    command = confined(
        python("import resource; print(resource.getrlimit(resource.RLIMIT_FSIZE))"),
        Limits(file_bytes=9 * MIB),
        Reach(PYTHONS),
    )
    low = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (MIB, MIB))
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, preexec_fn=low)
    assert done.stdout == f"({MIB}, {MIB})\n"


def test_a_killed_program_did_not_reach_its_limit(tmp_path: Path) -> None:
    processes = ProcessGroup()
    program = Program(python("while True: pass"), limits=Limits(cpu_seconds=60))
    with Runner(processes, tmp_path, inputs=PYTHONS).start(program) as running:
        processes.kill_all()
        with pytest.raises(ProgramError, match="ended by signal 9") as raised:
            running.wait()
    assert not isinstance(raised.value, LimitError)


def test_a_program_that_cannot_be_started_or_confined_is_no_fault_of_the_recording(tmp_path: Path) -> None:
    with pytest.raises(MachineFaultError, match="not started"):
        Runner(ProcessGroup(), tmp_path, inputs=PYTHONS).run(Program(["/no/such/program"]))
    command = confined(["/bin/true"])
    command[4] = command[4][:40]
    assert subprocess.run(command, capture_output=True, timeout=30).returncode == NOT_CONFINED
