"""The commands as a shell sees them: output, JSON, exit codes; alone, without any server part; and in flat memory."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from support.audio.tone_speech import script, write_tones
from support.programs.http_thread import serving_http
from support.service.serving import Service, served
from support.workers.diarizer_stand_in import interpreter
from whisperjob_cli.__main__ import app

MAX_UPLOAD_BYTES = 524_288_000
CLIENT_PEAK_MIB = 100
"""An interpreter with httpx, pydantic and rich takes about half of it. Read as VmHWM: a child's ru_maxrss begins with
its parent's."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    with served(folder / "data", {"WHISPERJOB_DIARIZER_PYTHON": str(interpreter(folder))}) as service:
        yield service


class Shell:
    def __init__(self, folder: Path, url: str, key: str | None) -> None:
        self.folder = folder
        self.environment = {"XDG_CONFIG_HOME": str(folder / "config"), "COLUMNS": "200"}
        file = folder / "config" / "whisperjob" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(f'server = "{url}"\n' + (f'api_key = "{key}"\n' if key else ""))

    def run(self, *words: str, code: int = 0) -> tuple[str, str]:
        """In this process: an interpreter's start for every command would cost the suite half a minute."""
        done = CliRunner().invoke(app, words, env=self.environment)
        assert done.exit_code == code, f"exit code {done.exit_code}\n{done.stdout}\n{done.stderr}"
        return done.stdout, done.stderr

    def python(self, program: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *words: str) -> dict[str, Any]:
        out, err = self.run(*words, "--json")
        assert err == "", "nothing but JSON, and nothing beside it"
        return dict(json.loads(out))


@pytest.fixture
def shell(tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    return Shell(tmp_path, service.url, service.key)


def test_a_job_from_submit_to_delete(shell: Shell, service: Service) -> None:
    write_tones(shell.folder / "talk.wav", script(6), 6)
    job = shell.run("submit", "talk.wav", "--profile", "light")[0].strip()
    waited, _ = shell.run("wait", job)
    assert "completed  talk.wav" in waited
    assert "output.mp3" in waited
    status = shell.json("status", job)
    assert status == service.job(job), "--json is the API's own answer, field for field"
    assert job in shell.run("jobs", "--status", "completed")[0]
    assert shell.json("jobs", "--limit", "1")["jobs"][0]["jobId"] == job
    [file] = shell.run("download", job, "-o", "mp3s")[0].split()
    assert hashlib.sha256((shell.folder / file).read_bytes()).hexdigest() == status["chunks"][0]["sha256"]
    assert shell.json("trim", job, "2")["trimmed"] is True
    assert shell.run("trim", job, "2", "-o", "cut")[0].split() == ["cut/trimmed.mp3"]
    assert shell.run("diarize", job, "--num-speakers", "2")[0].startswith("SPEAKER_00  0:00:03\nSPEAKER_01  0:00:03\n")
    assert (
        shell.run("diarize", job, "--num-speakers", "2", "--rttm")[0]
        == service.client.get(f"/diarize/{job}", params={"format": "rttm"}).text
    )
    shell.run("delete", job)
    assert shell.run("status", job, code=5)[1] == "There is no job with this id.\n"


def test_an_idempotency_key_makes_one_job(shell: Shell) -> None:
    write_tones(shell.folder / "talk.wav", script(3), 3)
    ids = {shell.json("submit", "talk.wav", "--idempotency-key", "k1")["jobId"] for _ in range(2)}
    assert len(ids) == 1
    shell.run("delete", *ids)


def test_a_failed_job_says_why(shell: Shell) -> None:
    (shell.folder / "letter.txt").write_text("Dear all, this is no recording.\n" * 50)
    job = shell.run("submit", "letter.txt")[0].strip()
    _, err = shell.run("wait", job, "--json", code=6)
    assert json.loads(err)["code"] == "not_media"


def test_errors_have_their_exit_codes(shell: Shell) -> None:
    _, err = shell.run("jobs", "--api-key", "wrong", "--json", code=4)
    assert json.loads(err) == {"error": "The X-API-Key header is missing or wrong.", "code": "unauthorized"}
    assert "WHISPERJOB_API_KEY" in shell.run("jobs", "--api-key", "wrong", code=4)[1]
    assert "no URL" in shell.run("jobs", "--server", "nonsense", code=2)[1]
    shell.environment["WHISPERJOB_URL"] = "http://127.0.0.1:9"
    assert "No WhisperJob service answers" in shell.run("status", "x", code=3)[1]
    assert shell.run("submit", "absent.wav", code=2)[1]
    (shell.folder / "config" / "whisperjob" / "config.toml").write_text("serve = 1")
    assert "config.toml: serve" in shell.run("jobs", code=2)[1]


def test_what_an_older_service_does_not_know_is_shown(tmp_path: Path) -> None:
    """A service that does not know an option ignores it, and says so."""
    sentence = "The field `track` is unknown and was ignored."
    warned = {"jobId": "x", "message": "", "warnings": [{"code": "unknown_field", "message": sentence}]}
    states = {"/whisper_optimize": "queued", "/diarize": "running"}

    class OlderService(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = json.dumps({**warned, "status": states.get(self.path), "trimmed": True}).encode()
            self.send_response(202)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            pass

    talk = tmp_path / "talk.wav"
    talk.write_bytes(b"sound")
    with serving_http(ThreadingHTTPServer(("127.0.0.1", 0), OlderService)) as url:
        shell = Shell(tmp_path, url, "key")
        job = "01234567-89ab-cdef-0123-456789abcdef"
        for words in (["submit", str(talk)], ["diarize", job, "--no-wait"], ["trim", job, "3"]):
            _, err = shell.run(*words)
            assert err == f"Note: {sentence}\n", words
            assert shell.json(*words)["warnings"][0]["message"] == sentence


def test_the_client_needs_no_server_part(shell: Shell) -> None:
    """`whisperjob[client]` alone: none of the server's packages is imported, whatever of the client is."""
    program = (
        "import sys, importlib, pkgutil, whisperjob_client as c\n"
        "names = [m.name for m in pkgutil.walk_packages(c.__path__, 'whisperjob_client.')]\n"
        "[importlib.import_module(n) for n in names if not n.endswith('__main__')]\n"
        "foreign = {'whisperjob', 'whisperjob_api', 'whisperjob_local', 'fastapi', 'starlette', 'uvicorn', 'minio',\n"
        "           'pydantic_settings', 'urllib3'} & set(sys.modules)\n"
        "assert len(names) > 20 and not foreign, foreign\n"
    )
    shell.python(program)


def test_what_needs_the_server_says_so_where_it_is_not_installed(shell: Shell) -> None:
    program = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(('fastapi', 'starlette', 'uvicorn', 'pydantic_settings')))\n"
        "sys.argv[1:] = ['serve']\n"
        "from whisperjob_cli.main import main\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], env=shell.environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert re.fullmatch(
        r"This needs the server's parts \(\w+ is missing\): in the checkout, pip install '.\[local\]'.\n", done.stderr
    )


def test_a_shell_can_complete_the_commands(shell: Shell) -> None:
    shell.environment |= {"_WHISPERJOB_COMPLETE": "complete_bash", "COMP_WORDS": "whisperjob tr", "COMP_CWORD": "1"}
    program = "from whisperjob_cli.__main__ import app; app(prog_name='whisperjob')"
    assert shell.python(program).split() == ["trim", "transcribe", "transcript"]


@contextmanager
def swallowing(payload: bytes) -> Iterator[str]:
    """A server that takes any upload without keeping it, and sends `payload` over and over as a big file."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            left = int(self.headers["Content-Length"])
            while left:
                left -= len(self.rfile.read(min(left, 1 << 20)))
            body = json.dumps({"jobId": "a", "status": "queued"}).encode()
            self.send_response(202)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(MAX_UPLOAD_BYTES))
            self.end_headers()
            for _ in range(MAX_UPLOAD_BYTES // len(payload)):
                self.wfile.write(payload)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name is the base class's
            pass

    with serving_http(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        yield url


def test_the_largest_file_goes_up_and_down_in_flat_memory(tmp_path: Path) -> None:
    payload = bytes(1 << 20)
    with (tmp_path / "big.bin").open("wb") as file:
        file.truncate(MAX_UPLOAD_BYTES)
    with (tmp_path / "big.bin").open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    program = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from whisperjob_client import Chunk, Client, Connection\n"
        "folder, url, sha256 = Path(sys.argv[1]), sys.argv[2], sys.argv[3]\n"
        "chunk = Chunk(index=0, filename='down.mp3', size_mb=500, download_url='/f', start_seconds=0,\n"
        "              duration_seconds=1, sha256=sha256)\n"
        "with Client(Connection(url)) as client:\n"
        "    client.submit(folder / 'big.bin')\n"
        "    assert client.download(chunk, folder).stat().st_size == (folder / 'big.bin').stat().st_size\n"
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) // 1024)\n"
    )
    with swallowing(payload) as url:
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path), url, sha256], capture_output=True, text=True, timeout=120
        )
    (tmp_path / "big.bin").unlink()
    (tmp_path / "down.mp3").unlink(missing_ok=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < CLIENT_PEAK_MIB, done.stdout
