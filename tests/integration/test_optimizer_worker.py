"""The worker as a process of its own, against a server that speaks the worker protocol and a store over HTTP."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

import pytest

from support.audio.media import decode, write_speech
from support.programs.processes import children_of, lives
from support.waiting import until_sync
from support.workers.process import ended, running
from support.workers.work_server import TOKEN, WorkServer, file_claim, http_claim
from whisperjob.model.errors import JobCode
from whisperjob.model.machine_faults import MachineFault
from whisperjob.model.manifest import Manifest, Verdict
from whisperjob.model.phase import STEP_PROGRESS, Step
from whisperjob.model.protocol import OptimizeOptions
from whisperjob.worker.processes.sandbox import find_missing
from whisperjob.worker.worker_program import ATTEMPT_OVER, DONE, INFRASTRUCTURE

pytest_plugins = ["support.workers.fixtures"]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech(tmp_path_factory.mktemp("talk") / "talk.wav", seconds=12)


@pytest.fixture(scope="module")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to be still at work when something happens."""
    path = tmp_path_factory.mktemp("hour") / "hour.flac"
    return write_speech(path, seconds=900, rate=16_000, channels=1, noise=0.00002)


def working(
    state: WorkServer, scratch: Path, *options: str, token: str | None = TOKEN
) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "whisperjob_optimizer.run", "--server", state.base_url, "--scratch", str(scratch)]
    return running([*command, *(options or ("--token-stdin",))], None if options else token)


def descendants(pid: int) -> list[int]:
    found = children_of(pid)
    return found + [below for child in found for below in descendants(child)]


def test_publishes_chunks_and_then_the_manifest(state: WorkServer, store: Path, scratch: Path, talk: Path) -> None:
    state.claim = file_claim(talk, store, options=OptimizeOptions(max_chunk_seconds=8))
    before = talk.read_bytes()
    with working(state, scratch) as process:
        assert ended(process)[0] == DONE
    results = store / "results"
    manifest = Manifest.model_validate_json((results / "manifest.json").read_bytes())
    assert sorted(path.name for path in results.iterdir()) == ["chunk_000.mp3", "chunk_001.mp3", "manifest.json"]
    for chunk in manifest.chunks:
        data = (results / chunk.filename).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (chunk.size_bytes, chunk.sha256)
        assert len(decode(results / chunk.filename)) == chunk.samples
    newest = max(results.iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert newest.name == "manifest.json"
    assert (list((store / "staging").iterdir()), list(scratch.iterdir())) == ([], [])
    assert manifest.source.sha256 == hashlib.sha256(before).hexdigest()
    assert talk.read_bytes() == before


def test_progress_moves_forward_within_its_steps(state: WorkServer, store: Path, scratch: Path, hour: Path) -> None:
    state.claim = file_claim(hour, store)
    with working(state, scratch) as process:
        assert ended(process)[0] == DONE
    percents = [post.percent for post in state.posts]
    assert percents == sorted(percents)
    for post in state.posts:
        low, high = STEP_PROGRESS[Step(post.step)]
        assert low <= post.percent <= high
    assert {Step.ANALYZING_LOUDNESS, Step.ENHANCING} <= {post.step for post in state.posts}
    assert len({post.percent for post in state.posts}) >= 6
    assert state.posts[-1].duration_seconds == pytest.approx(900, abs=0.1)


def test_first_progress_comes_at_once(state: WorkServer, store: Path, scratch: Path, talk: Path) -> None:
    state.claim = file_claim(talk, store)
    started = time.monotonic()
    with working(state, scratch) as process:
        until_sync(lambda: state.posts, "progress")
        waited = time.monotonic() - started
        assert ended(process)[0] == DONE
    assert state.posts[0].step is Step.ANALYZING
    assert waited < 2, "the imports of the first moments must stay light (0.3 s on an idle machine)"


def test_a_verdict_is_published_instead(state: WorkServer, store: Path, scratch: Path, tmp_path: Path) -> None:
    source = tmp_path / "notes.txt"
    source.write_text("Nothing to hear here.\n" * 100)
    state.claim = file_claim(source, store, filename="notes.txt")
    with working(state, scratch) as process:
        assert ended(process)[0] == DONE
    assert [path.name for path in (store / "results").iterdir()] == ["failure.json"]
    verdict = Verdict.model_validate_json((store / "results" / "failure.json").read_bytes())
    assert verdict.code is JobCode.NOT_MEDIA
    assert str(source) not in verdict.message


def test_over_http_with_broken_transfers_and_expired_grants(state: WorkServer, scratch: Path, talk: Path) -> None:
    data = talk.read_bytes()
    state.claim = http_claim(state, data, sha256=hashlib.sha256(data).hexdigest(), lifetime=timedelta(seconds=-1))
    state.cut_reads_after = 100_000
    state.refuse_writes = 1
    with working(state, scratch) as process:
        assert ended(process)[0] == DONE
    manifest = Manifest.model_validate_json(state.objects["jobs/uid-1/manifest.json"])
    mp3 = state.objects["jobs/uid-1/output.mp3"]
    assert hashlib.sha256(mp3).hexdigest() == manifest.chunks[0].sha256
    assert state.claims >= 3, "an expired claim is renewed, and so is one the store refuses"
    assert list(state.objects)[-1] == "jobs/uid-1/manifest.json"


def test_a_source_that_is_not_what_was_uploaded_is_no_verdict(state: WorkServer, scratch: Path, talk: Path) -> None:
    state.claim = http_claim(state, talk.read_bytes(), sha256="0" * 64)
    with working(state, scratch) as process:
        code, why = ended(process)
    assert code == INFRASTRUCTURE
    assert "SHA-256" in why
    assert list(state.objects) == ["uploads/source"]


@pytest.mark.parametrize("status", [401, 410])
def test_a_refused_claim_ends_it(state: WorkServer, scratch: Path, status: int) -> None:
    state.refuse_claims = status
    with working(state, scratch) as process:
        assert ended(process) == (ATTEMPT_OVER, f"the attempt is over (HTTP {status})")


def test_refused_progress_ends_it_with_its_ffmpeg(state: WorkServer, store: Path, scratch: Path, hour: Path) -> None:
    state.claim = file_claim(hour, store)
    with working(state, scratch) as process:
        until_sync(lambda: state.posts[-1:] and state.posts[-1].step is Step.ENHANCING, "encoding", 30)
        below = until_sync(lambda: descendants(process.pid), "an ffmpeg")
        state.refuse_progress = 410
        assert ended(process)[0] == ATTEMPT_OVER
        until_sync(lambda: not any(map(lives, below)), "the end of its ffmpeg", 2)
    assert not list((store / "results").glob("*"))
    assert list(scratch.iterdir()) == []


def close_stdin(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    process.stdin.close()


@pytest.mark.parametrize(
    "end",
    [lambda process: os.kill(process.pid, signal.SIGTERM), close_stdin],
    ids=["SIGTERM", "the parent's death"],
)
@pytest.mark.parametrize("step", [Step.ANALYZING_LOUDNESS, Step.ENHANCING])
def test_it_ends_with_its_ffmpeg_within_two_seconds(
    end: Callable[["subprocess.Popen[bytes]"], None],
    step: Step,
    state: WorkServer,
    store: Path,
    scratch: Path,
    hour: Path,
) -> None:
    state.claim = file_claim(hour, store)
    with working(state, scratch) as process:
        until_sync(lambda: state.posts[-1:] and state.posts[-1].step is step, str(step), 30)
        below = until_sync(lambda: descendants(process.pid), "an ffmpeg")
        ended_at = time.monotonic()
        end(process)
        assert process.wait(2) == 143
        until_sync(lambda: not any(map(lives, below)), "the end of its ffmpeg", 2)
        assert time.monotonic() - ended_at < 2
    assert not list((store / "results").glob("*"))
    assert list(scratch.iterdir()) == []


def test_a_worker_without_work_ends_with_its_parent(state: WorkServer, scratch: Path) -> None:
    with working(state, scratch, token=None) as process:
        until_sync(lambda: list(scratch.iterdir()), "the worker to wait")
        close_stdin(process)
        assert process.wait(10) == 143
    assert (state.posts, list(scratch.iterdir())) == ([], [])


def test_a_parent_that_died_after_it_sent_the_token_is_noticed(state: WorkServer, scratch: Path) -> None:
    """The worker had not started then. Without a server it would try to claim its work for long."""
    state.refuse_claims = 503
    with working(state, scratch) as process:
        close_stdin(process)
        assert process.wait(10) == 143
    assert (state.claims, list(scratch.iterdir())) == (0, [])


def test_kill_9_takes_its_ffmpeg_along(state: WorkServer, store: Path, scratch: Path, hour: Path) -> None:
    state.claim = file_claim(hour, store)
    with working(state, scratch) as process:
        until_sync(lambda: state.posts[-1:] and state.posts[-1].step is Step.ENHANCING, "encoding", 30)
        below = until_sync(lambda: descendants(process.pid), "an ffmpeg")
        process.kill()
        until_sync(lambda: not any(map(lives, below)), "the end of its ffmpeg", 2)


def test_a_token_file_is_read_again(state: WorkServer, store: Path, scratch: Path, talk: Path, tmp_path: Path) -> None:
    state.claim = file_claim(talk, store)
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    with working(state, scratch, "--token-file", str(token)) as process:
        assert process.stdin is not None
        process.stdin.close()  # says nothing here: in a pod no process has the other end
        assert ended(process)[0] == DONE
    assert (store / "results" / "manifest.json").exists()


def test_without_ffmpeg_the_reason_is_printed(
    state: WorkServer, store: Path, scratch: Path, talk: Path, tmp_path: Path
) -> None:
    state.claim = file_claim(talk, store)
    token = tmp_path / "token"
    token.write_text(TOKEN)
    missing = str(tmp_path / "nowhere" / "ffmpeg")
    with working(state, scratch, "--token-file", str(token), "--ffmpeg", missing) as process:
        code, why = ended(process)
    assert code == MachineFault.NO_PROGRAM
    assert "ffmpeg was not found" in why


def test_where_the_sandbox_is_required_and_not_whole_the_recording_is_not_touched(
    state: WorkServer, store: Path, scratch: Path, talk: Path, tmp_path: Path
) -> None:
    """A script as ffmpeg might run anything, so that nobody knows what to allow it."""
    script = tmp_path / "ffmpeg"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    script.chmod(0o755)
    state.claim = file_claim(talk, store)
    token = tmp_path / "token"
    token.write_text(TOKEN)
    options = ("--token-file", str(token), "--ffmpeg", str(script), "--require-sandbox")
    with working(state, scratch, *options) as process:
        code, why = ended(process)
    assert code not in (DONE, ATTEMPT_OVER)
    assert f"the sandbox is required, but {script} is a script" in why
    assert not (tmp_path / "ran").exists()
    assert not list((store / "results").glob("*"))


@pytest.mark.skipif(bool(find_missing()), reason="this machine lacks a part of the sandbox")
def test_where_the_sandbox_is_required_and_whole_work_is_done(
    state: WorkServer, store: Path, scratch: Path, talk: Path, tmp_path: Path
) -> None:
    state.claim = file_claim(talk, store)
    token = tmp_path / "token"
    token.write_text(TOKEN)
    with working(state, scratch, "--token-file", str(token), "--require-sandbox") as process:
        assert ended(process)[0] == DONE
    assert (store / "results" / "manifest.json").exists()
