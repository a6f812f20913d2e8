"""What a confined program may not do, tried with real programs."""

import json
import logging
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.audio.media import write_speech
from whisperjob.worker.processes import sandbox
from whisperjob.worker.processes.limits import ADDRESS_SPACE_BYTES

pytestmark = pytest.mark.skipif(not sandbox.filter_program(), reason="there is no libseccomp here")

ATTEMPTS = """
import json, os, resource, socket, subprocess
def tried(action):
    try:
        action()
    except OSError as error:
        return error.errno
    return 0
print(json.dumps({
    "socket": tried(socket.socket),
    "unix": tried(lambda: socket.socketpair()),
    "kill": tried(lambda: os.kill(os.getppid(), 0)),
    "file": tried(lambda: open("/dev/null").close()),
    "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "memory": resource.getrlimit(resource.RLIMIT_AS)[0],
    "privileges": [s.split()[1] for s in open("/proc/self/status") if s.startswith(("NoNewPrivs", "Seccomp:"))],
}))
"""
EPERM = 1
PYTHONS = sandbox.Reach(reads=tuple(map(Path, {sys.prefix, sys.base_prefix, "/proc"})))
FFMPEG = str(Path(shutil.which("ffmpeg") or "ffmpeg"))


def test_no_network_no_privileges_no_runaway_memory() -> None:
    done = subprocess.run(
        sandbox.confined([sys.executable, "-I", "-c", ATTEMPTS], reach=PYTHONS),
        capture_output=True,
        check=True,
        timeout=30,
    )
    assert json.loads(done.stdout) == {
        "socket": EPERM,
        "unix": EPERM,
        "kill": EPERM,
        "file": 0,
        "core": 0,
        "memory": ADDRESS_SPACE_BYTES,
        "privileges": ["1", "2"],
    }


def test_ffmpeg_reaches_no_server() -> None:
    """Not even by a command line that avoids every allow-list."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"tcp://127.0.0.1:{listening.getsockname()[1]}"
        command = [FFMPEG, "-nostdin", "-v", "error", "-i", address, "-f", "null", "-"]
        done = subprocess.run(sandbox.confined(command), capture_output=True, timeout=30)
        assert done.returncode != 0
        listening.settimeout(0.05)
        with pytest.raises(TimeoutError):
            listening.accept()


def test_ffmpeg_works_all_the_same(tmp_path: Path) -> None:
    source = write_speech(tmp_path / "talk.m4a", seconds=2)
    command = [FFMPEG, "-nostdin", "-v", "error", "-i", str(source), str(tmp_path / "talk.mp3")]
    reach = sandbox.Reach(reads=(source,), writes=(tmp_path,))
    subprocess.run(sandbox.confined(command, reach=reach), check=True, timeout=30)
    assert (tmp_path / "talk.mp3").stat().st_size > 1000


def test_without_libseccomp_it_works_and_logs_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "pyseccomp", None)
    sandbox.filter_program.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            assert sandbox.filter_program() == b""
        assert "without seccomp" in caplog.text
        subprocess.run(sandbox.confined(["/bin/true"]), check=True, timeout=30)
    finally:
        sandbox.filter_program.cache_clear()
