"""`whisperjob transcribe` with people's own files: many of them, odd names, pipes, and interruptions."""

import json
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from support.audio.tone_speech import script, write_tones
from support.client.asr_server import KEY, AsrServer
from support.client.proxy import Network
from support.programs.environment import unconfigured
from support.service.serving import Service
from support.waiting import until_sync

pytest_plugins = ["support.client.fixtures"]

SECONDS = 4
TEXT = "Anchor bridge candle desert."
COMMAND = (sys.executable, "-m", "whisperjob_client")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("recording") / "sound.wav"
    write_tones(file, script(SECONDS), SECONDS)
    return file.read_bytes()


class Desk:
    """A folder of files, and the commands of a person who works in it."""

    def __init__(self, folder: Path, sound: bytes, net: Network, environment: dict[str, str]) -> None:
        self.folder = folder
        self.net = net
        self.sound = sound
        self.environment = environment

    def record(self, *names: str | bytes) -> None:
        """Writes recordings; each is another one to the service, and the same to an ear."""
        for name in names:
            file = self.folder / os.fsdecode(name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self.sound + os.fsencode(name)[:100])

    def started(self, *words: str | bytes, **options: Any) -> "subprocess.Popen[bytes]":
        command: Sequence[str | bytes] = [*COMMAND, *words]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **options}
        return subprocess.Popen[bytes](command, cwd=self.folder, env=self.environment, **streams)

    def run(self, *words: str | bytes, code: int = 0, typed: bytes | None = None) -> tuple[str, str]:
        stdin = subprocess.DEVNULL if typed is None else subprocess.PIPE
        with self.started(*words, stdin=stdin) as process:
            out, err = process.communicate(typed, timeout=90)
        assert process.returncode == code, f"exit code {process.returncode}\n{out.decode()}\n{err.decode()}"
        return os.fsdecode(out), os.fsdecode(err)

    def text(self, name: str | bytes) -> str:
        return (self.folder / os.fsdecode(name)).read_text().strip()


@pytest.fixture
def desk(tmp_path: Path, sound: bytes, net: Network, service: Service, asr: AsrServer) -> Desk:
    (tmp_path / "desk").mkdir()
    (tmp_path / "config.toml").write_text("")
    environment = {
        **unconfigured(),
        "WHISPERJOB_URL": net.url,
        "WHISPERJOB_API_KEY": service.key,
        "WHISPERJOB_CONFIG": str(tmp_path / "config.toml"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "GROQ_API_KEY": KEY,
        "GROQ_BASE_URL": asr.url,
    }
    return Desk(tmp_path / "desk", sound, net, environment)


def test_a_folder_of_recordings_becomes_transcripts_and_a_table(desk: Desk) -> None:
    desk.record("talks/a/x.wav", "talks/b/x.wav")
    (desk.folder / "talks" / "letter.mp3").write_text("Dear all, this is no recording.\n" * 50)
    (desk.folder / "talks" / "notes.pdf").write_text("no recording")
    out, err = desk.run("transcribe", "talks", "-o", "out/", "-f", "txt,srt", code=6)
    assert out.split() == ["out/a/x.txt", "out/a/x.srt", "out/b/x.txt", "out/b/x.srt"]
    assert desk.text("out/a/x.txt") == desk.text("out/b/x.txt") == TEXT
    assert "Skipped, because the ending is not that of a recording: talks/notes.pdf." in err
    table = err[err.index("RECORDING") :].splitlines()
    assert [line.split()[0] for line in table[1:]] == ["talks/letter.mp3", "talks/a/x.wav", "talks/b/x.wav"]
    assert "0:00:04  out/a/x.txt, out/a/x.srt" in table[2]
    assert not re.search(r"not_media(?!\))", table[1]), "a code never stands alone"
    assert not list(desk.folder.rglob("letter*.whisperjob")), "nothing is left of a file that was refused"
    assert list(desk.folder.rglob("x.whisperjob")), "what was recognised is there for another run"


def test_many_recordings_as_json(desk: Desk) -> None:
    desk.record("x.wav")
    (desk.folder / "empty.wav").touch()
    out, err = desk.run("transcribe", "*.wav", "--json", code=2)
    assert err == ""
    empty, done = json.loads(out)["recordings"]
    assert (empty["recording"], empty["code"], empty["error"]) == ("empty.wav", "usage", "empty.wav is empty.")
    assert (done["recording"], done["files"]) == ("x.wav", {"txt": "x.txt"})


def test_what_concerns_all_recordings_is_not_tried_with_each(desk: Desk, net: Network) -> None:
    desk.record("a.wav", "b.wav", "c.wav", "d.wav")
    del desk.environment["GROQ_API_KEY"]
    _, err = desk.run("transcribe", ".", code=2)
    assert [line.split()[0] for line in err.splitlines() if line.strip().endswith("not tried")] == ["c.wav", "d.wav"]
    assert not net.requests


def test_a_pipe_comes_in_and_text_goes_out(desk: Desk, asr: AsrServer) -> None:
    desk.record("x.wav")
    sound = (desk.folder / "x.wav").read_bytes()
    out, _ = desk.run("transcribe", "-", typed=sound)
    assert out.strip() == TEXT
    assert [path.name for path in desk.folder.iterdir()] == ["x.wav"], "nothing is left beside it"
    again, _ = desk.run("transcribe", "-", "-o", "-", "-f", "vtt", typed=sound)
    assert again.startswith("WEBVTT")
    assert "Anchor" in again
    assert sum(asr.received.values()) == 1, "the same recording is paid for once"
    desk.run("transcribe", "-", "-o", "talk.srt", typed=sound)
    assert "Anchor" in desk.text("talk.srt")
    assert "Nothing came from standard input." in desk.run("transcribe", "-", code=2, typed=b"")[1]
    assert "both go to standard output" in desk.run("transcribe", "-", "--json", code=2, typed=sound)[1]


def test_a_named_pipe_is_read_once(desk: Desk) -> None:
    os.mkfifo(desk.folder / "pipe")
    with desk.started("transcribe", "pipe", "-o", "-") as process:
        (desk.folder / "pipe").write_bytes(desk.sound)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert out.decode().strip() == TEXT


@pytest.mark.parametrize(
    ("name", "transcript"),
    [
        pytest.param(b"x" * 251 + b".wav", b"x" * 251 + b".txt", id="255 bytes"),
        pytest.param(b"caf\xe9.wav", b"caf\xe9.txt", id="no UTF-8"),
        pytest.param(b"-x.wav", b"-x.txt", id="a dash"),
        pytest.param(b"a\nb [bold].wav", b"a\nb [bold].txt", id="a line break and markup"),
    ],
)
def test_any_name_of_a_file_will_do(desk: Desk, name: bytes, transcript: bytes) -> None:
    desk.record(name)
    out, _ = desk.run("transcribe", "-f", "txt,json,md", "--", name)
    assert os.fsencode(out.removesuffix("\n")).startswith(transcript), "scripts get the name byte for byte"
    assert desk.text(transcript) == TEXT
    assert all(len(os.fsencode(path.name)) <= 255 for path in desk.folder.rglob("*"))
    assert not [path for path in desk.folder.rglob("*") if ".part" in path.name or ".input" in path.name]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["x.wav", "-o", "x.docs"], "x.docs ends in .docs, which is no format of transcripts; there are txt, srt"),
        (["x.wav", "-f", "srtt"], "'srtt' is no format of transcripts"),
        (["absent.wav"], "absent.wav: No such file or directory."),
        (["*.mov"], "No file matches *.mov"),
        (["x.wav", "empty"], "empty"),
    ],
)
def test_wrong_words_cost_nothing(desk: Desk, net: Network, words: list[str], sentence: str) -> None:
    desk.record("x.wav")
    if words[-1] != "empty":
        assert sentence in desk.run("transcribe", *words, code=2)[1]
    else:
        (desk.folder / "empty").mkdir()
        assert "There is no recording here." in desk.run("transcribe", "empty", code=2)[1]
    assert not net.requests


def test_a_folder_that_cannot_be_written_to_costs_nothing(desk: Desk, net: Network) -> None:
    desk.record("x.wav")
    _, err = desk.run("transcribe", "x.wav", "-o", "/proc/nowhere/", code=1)
    assert err.startswith("/proc/nowhere")
    assert err.endswith("Choose another place for the transcript by -o.\n")
    assert not net.requests


def test_a_reader_that_goes_away_is_no_fault(desk: Desk, service: Service) -> None:
    desk.record("x.wav")
    job = service.upload(desk.folder / "x.wav")
    for words in (["status", job], ["jobs"], ["transcribe", "x.wav", "-o", "-"], ["transcribe", "x.wav"]):
        command = f"{shlex.join([*COMMAND, *words])} | true"
        done = subprocess.run(
            ["bash", "-c", command], cwd=desk.folder, env=desk.environment, capture_output=True, text=True, timeout=60
        )
        assert done.stderr == "", words
    assert desk.text("x.txt") == TEXT


def test_jobs_are_named_by_the_beginning_of_their_ids(desk: Desk, service: Service) -> None:
    desk.record("x.wav", "y.wav")
    ids = desk.run("submit", "x.wav", "y.wav")[0].split()
    assert len(ids) == 2
    unique = next(ids[0][:length] for length in range(1, 36) if not ids[1].startswith(ids[0][:length]))
    others = [job for job in service.client.get("/jobs").json()["jobs"] if job["jobId"] not in ids]
    for job in others:
        service.client.delete(f"/job/{job['jobId']}")
    assert "completed  x.wav" in desk.run("wait", unique)[0]
    assert ids[0] in desk.run("status", unique.upper())[0]
    assert desk.run("download", unique, "-o", "mp3s")[0] == "mp3s/output.mp3\n"
    assert desk.run("trim", unique, "1")[0].startswith("Trimmed to 1 s")
    assert "begins with 'zzz'" in desk.run("status", "zzz", code=5)[1]
    shared = desk.run("submit", "x.wav", "--idempotency-key", "again")[0].strip()
    desk.run("delete", ids[0], ids[1][:20], shared[:30])
    assert service.client.get("/stats").json()["totalJobs"] == 0


@pytest.fixture
def long_recording(desk: Desk) -> str:
    """It is at work on the server for some seconds."""
    write_tones(desk.folder / "long.wav", script(1200), 1200)
    return "long.wav"


def jobs_at_work(service: Service) -> list[str]:
    jobs = service.client.get("/jobs").json()["jobs"]
    return [job["jobId"] for job in jobs if job["status"] in ("queued", "processing")]


def waits_for_a_job(net: Network) -> bool:
    return any(request.startswith("GET /job/") for request in net.requests)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_command_says_what_continues(
    desk: Desk, service: Service, long_recording: str, how: signal.Signals
) -> None:
    with desk.started("transcribe", long_recording) as process:
        until_sync(lambda: waits_for_a_job(desk.net), "the command to wait for the job", 60)
        process.send_signal(how)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    [job] = jobs_at_work(service)
    desk.net.requests.clear()
    assert f"Job {job} continues on the server; `whisperjob delete {job}` cancels it." in err.decode()
    with desk.started("wait", job[:8]) as process:
        until_sync(lambda: f"GET /job/{job}" in desk.net.requests, "the command to wait", 30)
        process.send_signal(how)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"whisperjob delete {job}" in err.decode()
    service.client.delete(f"/job/{job}")


@pytest.mark.parametrize("answer", [b"y\n", b"n\n", b"\x03"], ids=["yes", "no", "a second Ctrl-C"])
def test_on_a_terminal_ctrl_c_offers_to_cancel(
    desk: Desk, service: Service, long_recording: str, answer: bytes
) -> None:
    ours, theirs = pty.openpty()
    process = desk.started(
        "transcribe", long_recording, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        preexec_fn=lambda: take_terminal(theirs),
    )  # fmt: skip
    os.close(theirs)
    shown = bytearray()
    asked = answered = False
    with process, os.fdopen(ours, "r+b", buffering=0) as terminal:
        until_sync(lambda: waits_for_a_job(desk.net), "the command to wait for the job", 60)
        [job] = jobs_at_work(service)
        terminal.write(b"\x03")
        try:
            while block := terminal.read(4096):
                shown += block
                asked = f"Cancel job {job} on the server, too? [y/N] ".encode() in shown
                if asked and not answered:
                    answered = True
                    terminal.write(answer)
        except OSError:  # how a terminal's end reads once nobody holds the other
            pass
    assert asked, shown.decode()
    assert process.wait(30) == 130
    if answer == b"y\n":
        assert f"Job {job} is cancelled." in shown.decode()
        assert service.client.get(f"/job/{job}").status_code == 404
    else:
        assert f"`whisperjob delete {job}` cancels it." in shown.decode()
        assert service.client.delete(f"/job/{job}").status_code == 204


def take_terminal(terminal: int) -> None:
    """Makes a terminal the one whose Ctrl-C reaches this process."""
    import fcntl
    import termios

    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def test_an_upload_that_fails_does_not_end_the_others(desk: Desk) -> None:
    desk.record("x.wav", "z.wav")
    (desk.folder / "y.wav").touch()
    out, err = desk.run("submit", "x.wav", "y.wav", "z.wav", code=2)
    assert len(out.split()) == 2
    assert "\ny.wav is empty.\n" in err
