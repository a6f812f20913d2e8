"""What a worker itself can still open after its claim, and who can look into it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.workers.work_server import TOKEN, WorkServer, file_claim
from whisperjob.worker.processes import sandbox

pytest_plugins = ["support.workers.fixtures"]

WORKER = """
import json, os, signal, subprocess, sys, threading
from pathlib import Path
from whisperjob.model.errors import JobCode
from whisperjob.model.manifest import Verdict
from whisperjob.worker.transport.opening import open_transport
from whisperjob.worker.worker_program import run_worker
place = Path(sys.argv.pop(1))
def tried(action):
    try:
        action()
    except OSError as error:
        return error.errno
    return 0
def in_thread(action):
    found = []
    thread = threading.Thread(target=lambda: found.append(tried(action)))
    thread.start()
    thread.join()
    return found[0]
def work(attempt):
    claim = attempt.claim()
    parent = Path("/proc", str(os.getppid()))
    transport = open_transport(claim, attempt.client.claim, attempt.scratch)
    print(json.dumps({
        "may read its input": tried(transport.fetch().path.read_bytes),
        "may write in its folder": tried(lambda: (attempt.scratch / "a").write_text("a")),
        "may publish": tried(lambda: transport.publish_json(Verdict(code=JobCode.NO_AUDIO, message="none"), "a.json")),
        "may run programs": tried(lambda: subprocess.run([sys.executable, "-c", "import json"], check=True)),
        "may claim again": tried(attempt.client.claim),
        "read the database": tried((place / "jobs.sqlite").read_bytes),
        "read the database in a thread": in_thread((place / "jobs.sqlite").read_bytes),
        "read the key file": tried((place / "api-key").read_bytes),
        "read another job's object": tried((place / "other").read_bytes),
        "read another's unfinished upload": tried((place / "staging" / "upload.part").read_bytes),
        "list unfinished uploads": tried(lambda: list((place / "staging").iterdir())),
        "write to the database": tried(lambda: (place / "jobs.sqlite").open("ab")),
        "remove the database": tried((place / "jobs.sqlite").unlink),
        "write outside": tried(lambda: (place / "outside").write_text("a")),
        "read the parent's environment": tried((parent / "environ").read_bytes),
        "read the parent's memory": tried(lambda: (parent / "mem").open("rb").read(1)),
        "signal the parent": tried(lambda: os.kill(os.getppid(), signal.SIGCONT)),
        "read /etc/shadow": tried(Path("/etc/shadow").read_bytes),
    }))
sys.exit(run_worker("a worker", work))
"""

LOOKING = """
import ctypes, os, sys
from whisperjob.private_memory import close_memory
closed = sys.argv[1] == "closed"
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # becoming another user has closed it
if closed:
    close_memory()
read_end, write_end = os.pipe()
if os.fork() == 0:
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
    for name in ("environ", "mem"):
        try:
            os.close(os.open(f"/proc/{os.getppid()}/{name}", os.O_RDONLY))
            os.write(write_end, b"open ")
        except OSError as error:
            os.write(write_end, b"%d " % error.errno)
    os._exit(0)
os.wait()
print(os.read(read_end, 100).decode())
"""
DENIED = (1, 13)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "staging").mkdir()
    for name in ("jobs.sqlite", "api-key", "other", "staging/upload.part", "mine"):
        (tmp_path / name).write_text("what is in it")
    return tmp_path


@pytest.mark.skipif(sandbox.landlock_version() < 6, reason="the kernel has no Landlock that holds signals back")
def test_a_worker_reaches_its_own_work_and_nothing_else(state: WorkServer, place: Path, scratch: Path) -> None:
    state.claim = file_claim(place / "mine", place)
    options = ["--server", state.base_url, "--scratch", str(scratch), "--token-stdin"]
    command = [sys.executable, "-c", WORKER, str(place), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(TOKEN.encode() + b"\n")
        process.stdin.flush()
        found = json.loads(process.stdout.readline())
        assert process.wait(30) == 0
    allowed = {name for name in found if name.startswith("may ")}
    assert {name: found[name] for name in allowed} == dict.fromkeys(allowed, 0)
    assert {name: number for name, number in found.items() if name not in allowed and number not in DENIED} == {}
    assert len(found) == 18
    assert (place / "results" / "a.json").exists()
    assert list(scratch.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
@pytest.mark.parametrize(("how", "expected"), [("open", ["open", "open"]), ("closed", ["13", "13"])])
def test_a_process_of_the_same_user_cannot_look_into_a_closed_one(how: str, expected: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", LOOKING, how], capture_output=True, text=True, timeout=30)
    assert done.stdout.split() == expected, done.stderr


ASKED = (
    "import asyncio, ctypes, logging\nasync def ask():\n    print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)\n"
)
PROGRAMS = {
    "the service": "from whisperjob_local.serve import run_on_loop\nrun_on_loop(ask())",
    "the programs of a cluster": "from whisperjob.serving.program import run_program\n"
    "run_program(logging.getLogger(), ask)",
    "a worker": "from whisperjob.worker.worker_program import run_worker\n"
    "run_worker('a worker', lambda _: asyncio.run(ask()), "
    "['--server', 'http://127.0.0.1:1', '--token-file', '/dev/null', '--scratch', '.'])",
}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has the mark")
@pytest.mark.parametrize("program", PROGRAMS)
def test_whoever_holds_keys_or_a_token_closes_its_memory(program: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", ASKED + PROGRAMS[program]]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert done.stdout == "0\n", done.stderr
