"""From a recording to a transcript: upload, wait, speakers beside speech, merge. Goes on where it was broken off."""

import hashlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import anyio
import anyio.to_thread

from whisperjob_client.async_client import AsyncClient
from whisperjob_client.checkpoint import Kept, KeptAnswer, KeptJob, KeptSpeakers
from whisperjob_client.errors import (
    ClientError,
    ConflictError,
    DiarizationUnavailableError,
    NotFoundError,
    StorageError,
)
from whisperjob_client.models import Chunk, Diarization, DiarizationResult, Job
from whisperjob_client.speech.rate_limits import Booking, Limits, Pace
from whisperjob_client.speech.recogniser import Recogniser, SpeechOptions
from whisperjob_client.speech.recognising import Piece, Recognising, SpeechWatcher
from whisperjob_client.transcript.answers import parse_answer
from whisperjob_client.transcript.merge import merge
from whisperjob_client.transcript.model import ChunkPlace, NoSpeaker, Speakers, SpeakerSegment, Transcript
from whisperjob_client.uploading import UploadOptions, new_idempotency_key

WORTH_TELLING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    speech: SpeechOptions
    upload: UploadOptions = field(default_factory=UploadOptions)
    limits: Limits = field(default_factory=Limits)
    parallel: int = 4
    diarize: bool = False
    num_speakers: int | None = None
    names: tuple[str, ...] = ()
    """What the speakers are called, in the order they first speak."""


class Watcher(SpeechWatcher, Protocol):
    """Is told how far things are."""

    def hashed(self, done_bytes: int, all_bytes: int) -> None: ...

    def uploaded(self, sent_bytes: int, all_bytes: int) -> None: ...

    def working(self, job: Job) -> None: ...

    def recognising(self, all_seconds: float, done_seconds: float) -> None: ...

    def diarizing(self, diarization: Diarization) -> None: ...

    def note(self, sentence: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    transcript: Transcript
    job: Job


Work = Callable[[AsyncClient, str], Awaitable["Outcome"]]
"""What is done with a server, given a client of it and its name."""

Using = Callable[[Work], Awaitable["Outcome"]]
"""Brings a server up, or finds it, and lets the work be done with it."""


class Transcribing:
    """One recording. `stop` ends it soon; what is in flight to the recogniser is waited for."""

    def __init__(
        self,
        client: AsyncClient,
        server: str,
        recogniser: Callable[[], Recogniser],
        options: TranscribeOptions,
        watcher: Watcher,
    ) -> None:
        """`recogniser` is called only if there is anything to send. `server` is where the client's jobs live."""
        self._client = client
        self._server = server
        self._recogniser = recogniser
        self._options = options
        self._watcher = watcher
        self._recognising: Recognising | None = None
        self._speech: Recogniser | None = None

    def stop(self) -> int:
        """Nothing more is sent; returns how many answers are still waited for (0: nothing to lose, cancel it)."""
        if self._recognising is None:
            return 0
        self._recognising.stop()
        return self._recognising.in_flight

    async def run(self, file: Path, kept_in: Path) -> Outcome:
        """Raises ClientError; whatever was answered by then is kept below `kept_in`."""
        try:
            return await self._run(file, kept_in)
        finally:
            if self._speech is not None:
                with anyio.CancelScope(shield=True):
                    await self._speech.close()

    async def _run(self, file: Path, kept_in: Path) -> Outcome:
        digest = await anyio.to_thread.run_sync(_sha256, file, self._watcher.hashed)
        kept = Kept(kept_in, digest)
        with kept.locked():
            job = await self._job(file, kept)
            for warning in job.warnings:
                self._watcher.note(warning)
            speakers = Speakers.unknown(NoSpeaker.NOT_ASKED)

            async def find_speakers() -> None:
                nonlocal speakers
                speakers = await self._speakers(job.job_id, kept)

            answers: list[dict[str, Any]] = []
            failure: ClientError | None = None
            async with anyio.create_task_group() as tasks:
                if self._options.diarize:
                    tasks.start_soon(find_speakers)
                try:
                    answers = await self._answers(job.chunks, kept)
                except ClientError as error:
                    failure = error
                    tasks.cancel_scope.cancel()
            if failure is not None:
                raise failure
        return Outcome(self._merged(job.chunks, answers, speakers), job)

    def _merged(self, chunks: Sequence[Chunk], answers: Sequence[dict[str, Any]], speakers: Speakers) -> Transcript:
        places = [ChunkPlace(chunk.start_seconds, chunk.duration_seconds) for chunk in chunks]
        parsed = [parse_answer(answer) for answer in answers]
        names = {f"SPEAKER_{index:02d}": name for index, name in enumerate(self._options.names)}
        transcript = merge(list(zip(places, parsed, strict=True)), speakers, names)
        doubtful = sum(word.doubt is not None for word in transcript.words)
        if doubtful:
            self._watcher.note(f"{doubtful} words were probably made up in silence or by repetition; JSON marks them.")
        return transcript

    async def _job(self, file: Path, kept: Kept) -> Job:
        """The completed job: the kept one, the running one of an earlier run, or a new one."""
        options = {"server": self._server, **asdict(self._options.upload)}
        known = kept.job(options)
        if known and known.job and self._nothing_to_ask(known.job, kept):
            return known.job
        self._speech = self._recogniser()  # before the upload: a missing key must not cost one
        job_id = await self._still_there(known)
        key = known.idempotency_key if known else new_idempotency_key()
        if job_id is None:
            if known and known.job_id:
                key = new_idempotency_key()
            kept.keep_job(options, KeptJob(idempotency_key=key))
            job_id, key = await self._submitted(file, key)
            kept.keep_job(options, KeptJob(idempotency_key=key, job_id=job_id))
        job = await self._client.wait(job_id, on_change=self._watcher.working)
        kept.keep_job(options, KeptJob(idempotency_key=key, job_id=job_id, job=job))
        return job

    def _nothing_to_ask(self, job: Job, kept: Kept) -> bool:
        """Whether everything is here already: only another format is wanted."""
        speakers_here = not self._options.diarize or kept.speakers(self._speakers_key()) is not None
        return speakers_here and all(kept.answer(chunk.sha256, asdict(self._options.speech)) for chunk in job.chunks)

    async def _still_there(self, known: KeptJob | None) -> str | None:
        if known is None or known.job_id is None:
            return None
        try:
            job = await self._client.job(known.job_id)
        except NotFoundError:
            return None
        return None if job.status == "error" else job.job_id

    async def _submitted(self, file: Path, key: str) -> tuple[str, str]:
        """The job's id, and the key it was made with. A kept key may be spent on what has changed since."""
        upload = self._options.upload
        try:
            accepted = await self._client.submit(file, upload, idempotency_key=key, on_sent=self._watcher.uploaded)
        except ConflictError:
            key = new_idempotency_key()
            accepted = await self._client.submit(file, upload, idempotency_key=key, on_sent=self._watcher.uploaded)
        return accepted.job_id, key

    async def _answers(self, chunks: Sequence[Chunk], kept: Kept) -> list[dict[str, Any]]:
        """One a chunk, in order."""
        options = asdict(self._options.speech)
        missing = [chunk for chunk in chunks if kept.answer(chunk.sha256, options) is None]
        whole = sum(chunk.duration_seconds for chunk in chunks)
        self._watcher.recognising(whole, whole - sum(chunk.duration_seconds for chunk in missing))
        if missing:
            await self._recognise(missing, kept, options)
        found = [kept.answer(chunk.sha256, options) for chunk in chunks]
        return [answer.answer for answer in found if answer is not None]

    async def _recognise(self, missing: Sequence[Chunk], kept: Kept, options: dict[str, Any]) -> None:
        sent = [Booking(answer.sent_at, answer.seconds) for answer in kept.answers(self._options.speech.endpoint)]
        pace = Pace(self._options.limits, sent)
        wait = pace.forecast(time.time(), [chunk.duration_seconds for chunk in missing])
        if wait >= WORTH_TELLING_SECONDS:
            self._watcher.note(f"The speech account's limits make this wait about {_spoken(wait)} in all.")
        assert self._speech is not None
        self._recognising = Recognising(self._speech, pace, self._watcher, parallel=self._options.parallel)
        try:
            await self._recognising.run([self._piece(chunk, kept, options) for chunk in missing])
        finally:
            self._recognising = None

    def _piece(self, chunk: Chunk, kept: Kept, options: dict[str, Any]) -> Piece:
        files: list[Path] = []

        async def fetch() -> Path:
            files.append(await self._client.download(chunk, kept.folder))
            return files[-1]

        async def keep(answer: dict[str, Any], booking: Booking) -> None:
            endpoint = self._options.speech.endpoint
            value = KeptAnswer(endpoint=endpoint, sent_at=booking.at, seconds=booking.seconds, answer=answer)
            kept.keep_answer(chunk.sha256, options, value)
            files[-1].unlink(missing_ok=True)

        return Piece(chunk.duration_seconds, fetch, keep)

    def _speakers_key(self) -> dict[str, Any]:
        return {"server": self._server, **asdict(self._options.upload), "numSpeakers": self._options.num_speakers}

    async def _speakers(self, job_id: str, kept: Kept) -> Speakers:
        """Never fails: a transcript without names is worth more than none, and says why it has none."""
        known = kept.speakers(self._speakers_key())
        if known is not None:
            return _to_speakers(known.result)
        try:
            await self._client.diarize(job_id, self._options.num_speakers)
            result = await self._client.wait_diarization(job_id, on_change=self._watcher.diarizing)
        except DiarizationUnavailableError as error:
            self._watcher.note(f"No speakers: {error}")
            return Speakers.unknown(NoSpeaker.UNAVAILABLE)
        except ClientError as error:
            self._watcher.note(f"No speakers: {error}")
            return Speakers.unknown(NoSpeaker.FAILED)
        for note in result.notes:
            self._watcher.note(note)
        kept.keep_speakers(self._speakers_key(), KeptSpeakers(job_id=job_id, result=result))
        return _to_speakers(result)


def _to_speakers(result: DiarizationResult) -> Speakers:
    turns = result.segments if result.exclusive is None else result.exclusive
    return Speakers(tuple(SpeakerSegment(turn.start, turn.end, turn.speaker) for turn in turns))


def _sha256(file: Path, tell: Callable[[int, int], None]) -> str:
    digest, done = hashlib.sha256(), 0
    try:
        with file.open("rb") as opened:
            size = file.stat().st_size
            while block := opened.read(1024 * 1024):
                digest.update(block)
                done += len(block)
                tell(done, size)
    except OSError as error:
        raise StorageError.of(error, file) from None
    return digest.hexdigest()


def _spoken(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes < 1:
        return f"{seconds:.0f} s"
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
