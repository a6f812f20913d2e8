"""Code that runs as ffmpeg tries to get out of the sandbox, in about seventy ways (tests/data/sandbox/escapes.c)."""

import binascii
import marshal
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from whisperjob.worker.processes import confine, sandbox
from whisperjob.worker.processes.limits import Limits
from whisperjob.worker.processes.program_files import find_program_files

SOURCE = Path(__file__).parents[1] / "data" / "sandbox" / "escapes.c"
COMPILER = shutil.which("cc") or shutil.which("gcc")
MIB = 1024**2

pytestmark = [
    pytest.mark.skipif(COMPILER is None, reason="there is no C compiler here"),
    pytest.mark.skipif(not sandbox.landlock_version(), reason="the kernel has no Landlock"),
    pytest.mark.skipif(not sandbox.filter_program(), reason="there is no libseccomp here"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("escapes") / "escapes"
    loader = find_program_files("/bin/sh").executables[1]
    assert COMPILER is not None
    subprocess.run([COMPILER, "-O1", "-w", "-pthread", f'-DLOADER="{loader}"', "-o", path, SOURCE], check=True)
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A service's data folder, with an attempt's scratch folder and input in it."""
    for folder in ("scratch/attempt", "store/mine", "store/other"):
        (tmp_path / folder).mkdir(parents=True)
    for file in ("jobs.sqlite", "api-key", "store/mine/source", "store/other/source"):
        (tmp_path / file).write_text("what is in it")
        (tmp_path / file).chmod(0o600)
    return tmp_path


@pytest.fixture
def listening() -> Iterator[tuple[int, str]]:
    """The port of a server, and the name of an abstract socket."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind("")  # the kernel gives it a name
        abstract.listen()
        yield tcp.getsockname()[1], abstract.getsockname()[1:].decode()


def attempts(program: Path, place: Path, listening: tuple[int, str], **changes: object) -> dict[str, int]:
    """Returns the error number of each attempt; 0 is an escape."""
    source, scratch = place / "store/mine/source", place / "scratch/attempt"
    others = [place / name for name in ("jobs.sqlite", "store/other/source", "api-key", "store")]
    argv = [program, source, scratch, *others, *listening]
    reach = sandbox.Reach(reads=(source,), writes=(scratch,))
    command = sandbox.confined([str(word) for word in argv], Limits(file_bytes=MIB), reach)
    confinement = marshal.loads(binascii.a2b_base64(command[4])) | changes
    command[4] = confine.pack(confinement)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode != confine.NOT_CONFINED, done.stderr
    return {name: int(number) for name, _, number in (line.rpartition(" ") for line in done.stdout.splitlines())}


def escapes(found: dict[str, int]) -> set[str]:
    return {name for name, number in found.items() if number == 0 and not name.startswith("may ")}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give ffmpeg a user of its own")
def test_every_attempt_is_denied(program: Path, place: Path, listening: tuple[int, str]) -> None:
    found = attempts(program, place, listening)
    assert escapes(found) == set()
    assert {name: number for name, number in found.items() if name.startswith("may ")} == {
        "may read its input": 0,
        "may write its result": 0,
        "may write to /dev/null": 0,
        "may start threads": 0,
    }
    assert "run a shell" in found  # it came to the end
    assert (place / "store/mine/source").read_text() == "what is in it"


def test_every_attempt_is_denied_to_the_workers_own_user(
    program: Path, place: Path, listening: tuple[int, str]
) -> None:
    """As it is where the worker does not run as root. Threads are then counted together with all others of the user."""
    found = attempts(program, place, listening, user=0)
    assert escapes(found) <= {"start 5000 threads"}
    assert "run a shell" in found


OF_OTHERS = {
    "read the parent's environment",
    "read the parent's memory",
    "read memory by process_vm_readv",
    "trace the parent",
    "read the database",
    "read another job's object",
    "read the key file",
    "list the store",
    "read /etc/passwd",
    "read the first process's environment",
    "write to the database",
    "write to its input",
    "truncate its input",
    "remove its input",
    "write outside",
    "write to /tmp",
    "write to /dev/shm",
    "link a file",
    "make a device",
    "signal the parent",
    "queue a signal",
    "connect by TCP",
    "connect to an abstract socket",
    "mount",
    "write a large file",
    "take all memory",
    "run a shell",
    "run by the loader",
}
OF_THE_KERNEL = {
    "read memory by process_vm_readv",
    "trace the parent",
    "take the parent's descriptor",
    "remove its input",
    "truncate its input",
    "link a file",
    "link by name",
    "make a device",
    "fork",
    "fork by clone",
    "signal the parent",
    "signal every process",
    "signal by a file",
    "limit the parent",
    "connect by TCP",
    "open an IPv6 socket",
    "connect to an abstract socket",
    "become root",
    "make a user namespace",
    "mount",
    "change the root",
    "set up io_uring",
    "use a key ring",
    "handle page faults",
    "change the personality",
    "load a BPF program",
    "count events",
    "type into a terminal",
    "make a file of memory",
    "write a large file",
    "take all memory",
}


@pytest.mark.parametrize(
    ("missing", "held"),
    [
        pytest.param({"seccomp": b""}, OF_OTHERS, id="Landlock without seccomp"),
        pytest.param({"landlock": 0}, OF_THE_KERNEL, id="seccomp without Landlock"),
    ],
)
def test_each_half_holds_its_part_alone(
    program: Path, place: Path, listening: tuple[int, str], missing: dict[str, object], held: set[str]
) -> None:
    """What docs/explanation/sandbox.md says of machines that lack one of them; with the worker's own user."""
    found = attempts(program, place, listening, user=0, **missing)
    assert held <= found.keys() | {"run by the loader"}
    assert escapes(found) & held == set()
