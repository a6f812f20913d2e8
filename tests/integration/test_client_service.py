"""Both clients against the real service, over a network that breaks connections."""

import hashlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.audio.tone_speech import script, write_tones
from support.client.proxy import Network, network
from support.service.serving import Service, served
from whisperjob_client import (
    AsyncClient,
    Client,
    ConflictError,
    Connection,
    DamagedDownloadError,
    DiarizationUnavailableError,
    Job,
    JobFailedError,
    NotFoundError,
    Patience,
    RetryPolicy,
    UnauthorizedError,
    UnreachableError,
    UploadOptions,
    UsageError,
    WaitTimeoutError,
)

QUICK = RetryPolicy(attempts=4, base_seconds=0.01)
SECONDS = 70.0


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recording") / "Gespräch “eins”.wav"
    write_tones(file, script(SECONDS), SECONDS)
    return file


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(tmp_path_factory.mktemp("service") / "data") as service:
        yield service


@pytest.fixture(scope="module")
def completed(service: Service, recording: Path) -> Job:
    """A job of two chunks."""
    with Client(Connection(service.url, service.key)) as client:
        accepted = client.submit(recording, UploadOptions(profile="none", max_chunk_seconds=60))
        return client.wait(accepted.job_id, patience=Patience(120))


@pytest.fixture
def net(service: Service) -> Iterator[Network]:
    with network(service.url) as net:
        yield net


@pytest.fixture
def client(net: Network, service: Service) -> Iterator[Client]:
    with Client(Connection(net.url, service.key, QUICK)) as client:
        yield client


@pytest.fixture
async def aclient(net: Network, service: Service) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(Connection(net.url, service.key, QUICK)) as client:
        yield client


def test_from_upload_to_files(client: Client, recording: Path, tmp_path: Path) -> None:
    sent: list[tuple[int, int]] = []
    seen: list[Job] = []
    accepted = client.submit(
        recording, UploadOptions(max_chunk_seconds=60), on_sent=lambda done, all_: sent.append((done, all_))
    )
    job = client.wait(accepted.job_id, on_change=seen.append, patience=Patience(120))
    assert sent[-1] == (recording.stat().st_size,) * 2
    assert job.original_filename == recording.name
    assert job.duration == pytest.approx(SECONDS, abs=0.01)
    assert [j.progress for j in seen] == sorted(j.progress or 0 for j in seen)
    assert seen[-1] == job
    for chunk in job.chunks:
        file = client.download(chunk, tmp_path)
        assert hashlib.sha256(file.read_bytes()).hexdigest() == chunk.sha256
    client.delete(job.job_id)
    with pytest.raises(NotFoundError):
        client.job(job.job_id)


async def test_from_upload_to_files_asynchronously(aclient: AsyncClient, recording: Path, tmp_path: Path) -> None:
    accepted = await aclient.submit(recording, UploadOptions(profile="none"))
    job = await aclient.wait(accepted.job_id, patience=Patience(120))
    [chunk] = job.chunks
    file = await aclient.download(chunk, tmp_path)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == chunk.sha256
    assert job.job_id in [j.job_id async for j in aclient.jobs("completed")]
    assert (await aclient.stats()).completed >= 1
    assert (await aclient.health()).ffmpeg
    await aclient.delete(job.job_id)


def test_an_upload_whose_answer_was_lost_makes_one_job(client: Client, net: Network, recording: Path) -> None:
    before = client.stats().total_jobs
    net.lose_answers = 1
    accepted = client.submit(recording, UploadOptions(profile="none"))
    assert len(net.idempotency_keys) == 2
    assert len(set(net.idempotency_keys)) == 1
    assert client.stats().total_jobs == before + 1
    client.delete(accepted.job_id)


def test_a_delete_whose_answer_was_lost_succeeds(client: Client, net: Network, recording: Path) -> None:
    accepted = client.submit(recording, UploadOptions(profile="none"))
    net.lose_answers = 1
    client.delete(accepted.job_id)
    with pytest.raises(NotFoundError):
        client.delete(accepted.job_id)


async def test_busy_answers_are_waited_out(aclient: AsyncClient, net: Network) -> None:
    net.refuse = [(503, "0"), (429, ""), (502, "")]
    assert (await aclient.health()).status == "ok"


def test_a_download_continues_where_it_broke_off(client: Client, net: Network, completed: Job, tmp_path: Path) -> None:
    net.cuts, net.cut_after = 2, 50_000
    chunk = completed.chunks[0]
    file = client.download(chunk, tmp_path)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == chunk.sha256
    assert net.ranges == ["", "bytes=50000-", "bytes=100000-"]
    assert [path.name for path in tmp_path.iterdir()] == [chunk.filename]


async def test_a_later_run_continues_a_download(
    aclient: AsyncClient, net: Network, completed: Job, tmp_path: Path
) -> None:
    net.cuts, net.cut_after = QUICK.attempts, 10_000
    chunk = completed.chunks[0]
    with pytest.raises(UnreachableError):
        await aclient.download(chunk, tmp_path)
    assert not (tmp_path / chunk.filename).exists()
    await aclient.download(chunk, tmp_path)
    assert net.ranges[-1] == f"bytes={QUICK.attempts * 10_000}-"
    requests = len(net.ranges)
    await aclient.download(chunk, tmp_path)
    assert len(net.ranges) == requests, "a file that is there is not fetched again"


@pytest.mark.parametrize("left", [b"not this file at all", b"\0" * 5_000_000], ids=["another start", "too long"])
def test_a_part_of_another_file_is_discarded(client: Client, completed: Job, tmp_path: Path, left: bytes) -> None:
    chunk = completed.chunks[0]
    (tmp_path / f"{chunk.filename}.part").write_bytes(left)
    file = client.download(chunk, tmp_path)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == chunk.sha256


def test_a_file_with_another_hash_is_removed(client: Client, completed: Job, tmp_path: Path) -> None:
    lying = completed.chunks[0].model_copy(update={"sha256": "0" * 64})
    with pytest.raises(DamagedDownloadError):
        client.download(lying, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_restarting_server_is_waited_out(recording: Path, tmp_path: Path) -> None:
    first = Service(tmp_path / "data")
    port = int(first.url.rpartition(":")[2])
    again: list[Service] = []

    def restart(job: Job) -> None:
        if not again:
            first.stop()
            again.append(Service(tmp_path / "data", port=port))

    with Client(Connection(first.url, first.key)) as client:
        try:
            accepted = client.submit(recording)
            job = client.wait(accepted.job_id, on_change=restart, patience=Patience(120))
            assert job.status == "completed"
        finally:
            for service in again:
                service.stop()


def test_refusals_carry_the_services_code_and_sentence(
    client: Client, service: Service, completed: Job, tmp_path: Path
) -> None:
    with Client(Connection(service.url, "wrong")) as stranger, pytest.raises(UnauthorizedError) as unauthorized:
        stranger.stats()
    assert unauthorized.value.code == "unauthorized"
    with pytest.raises(NotFoundError) as missing:
        client.job("no-such-job")
    assert missing.value.message == "There is no job with this id."
    with pytest.raises(DiarizationUnavailableError):
        client.diarize(completed.job_id)
    trimmed = client.trim(completed.job_id, 5)
    assert trimmed.trimmed
    assert client.download(trimmed.chunks[0], tmp_path).stat().st_size < 60_000
    text = tmp_path / "letter.txt"
    text.write_text("Dear all, this is no recording.\n" * 50)
    with pytest.raises(JobFailedError) as failed:
        client.wait(client.submit(text).job_id, patience=Patience(60))
    assert failed.value.code == "not_media"


def test_the_same_key_for_another_file_is_a_conflict(client: Client, recording: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.wav"
    write_tones(other, script(3), 3)
    accepted = client.submit(recording, UploadOptions(profile="none"), idempotency_key="one")
    with pytest.raises(ConflictError) as conflict:
        client.submit(other, UploadOptions(profile="none"), idempotency_key="one")
    assert conflict.value.code == "idempotency_mismatch"
    client.delete(accepted.job_id)


def test_waiting_ends_when_time_is_up(client: Client, recording: Path) -> None:
    accepted = client.submit(recording)
    with pytest.raises(WaitTimeoutError):
        client.wait(accepted.job_id, patience=Patience(0.0))
    client.delete(accepted.job_id)


def test_a_server_that_does_not_listen_is_unreachable(tmp_path: Path) -> None:
    with Client(Connection("http://127.0.0.1:9", retries=QUICK)) as client, pytest.raises(UnreachableError):
        client.health()


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://host", "http://"])
def test_an_unusable_url_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(UsageError):
        Client(Connection(url))


def test_diarization_is_waited_for(client: Client, net: Network, completed: Job) -> None:
    turn = {"start": 0.0, "end": 5.2, "speaker": "SPEAKER_00"}
    net.speakers = {"segments": [turn], "speakers": [{"id": "SPEAKER_00", "total_seconds": 5.2}]}
    seen: list[str | None] = []
    client.diarize(completed.job_id, 1)
    result = client.wait_diarization(completed.job_id, on_change=lambda d: seen.append(d.waiting_for))
    assert result.segments[0].end == 5.2
    assert seen[0] == "a GPU"
