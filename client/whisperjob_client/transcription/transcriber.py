"""From a recording to a transcript: a job, an answer for each of its chunks and the speakers beside them, the merge.

A run goes on where an earlier one was interrupted; what that one finished is in its checkpoint.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.to_thread

from whisperjob_client.async_client import AsyncClient
from whisperjob_client.errors import ClientError, DiarizationUnavailableError, StorageError
from whisperjob_client.job_warnings import SILENT_WARNING, describe_warning
from whisperjob_client.models import Chunk, Job
from whisperjob_client.speech.rate_limits import Booking
from whisperjob_client.speech.recogniser import Recogniser
from whisperjob_client.transcript.answer_clocks import least_times, on_chunk_clock
from whisperjob_client.transcript.recogniser_answers import ChunkAnswer
from whisperjob_client.transcript.transcript_model import (
    ChunkPlace,
    NoSpeaker,
    Origin,
    Speakers,
    Transcript,
)
from whisperjob_client.transcription.answer_memo import AnswerMemo
from whisperjob_client.transcription.checkpoint import Checkpoint
from whisperjob_client.transcription.chunk_pipeline import ChunkPipeline
from whisperjob_client.transcription.job_merge import is_multichannel, merge_job
from whisperjob_client.transcription.job_step import JobStep
from whisperjob_client.transcription.notes import describe_skipped, describe_words
from whisperjob_client.transcription.options import DROPPED, DoubtfulWords, TranscribeOptions, Watcher
from whisperjob_client.transcription.speakers_step import SpeakersStep
from whisperjob_client.transfer import BLOCK_BYTES


@dataclass(frozen=True, slots=True)
class Transcription:
    """The transcript of a recording, and the job it came from.

    `speakers_missing` says why there are no speakers although they were requested; another run may find them.
    """

    transcript: Transcript
    job: Job
    speakers_missing: NoSpeaker | None = None


ClientTask = Callable[[AsyncClient, str], Awaitable[Transcription]]
"""Makes a transcription with a client of a server. The string names that server in checkpoints."""

ServerRunner = Callable[[ClientTask], Awaitable[Transcription]]
"""Runs a task with a client of a server, which it reaches or starts."""


class Transcriber:
    """Makes transcriptions on one server. `stop` ends a run soon."""

    def __init__(
        self,
        client: AsyncClient,
        server: str,
        build_recogniser: Callable[[], Recogniser],
        options: TranscribeOptions,
        watcher: Watcher,
        *,
        on_words: Callable[[Transcription], None] | None = None,
        account: set[Booking] | None = None,
    ) -> None:
        """`build_recogniser` is called only if there is anything to recognise. `server` names the client's server.

        `on_words` takes the transcript without speakers when its words are there and its speakers are not yet.
        `account` has what other transcriptions of this program sent to the same recogniser, and gets what this one
        sends.
        """
        self._client = client
        self._server = server
        self._build_recogniser = build_recogniser
        self._options = options
        self._watcher = watcher
        self._on_words = on_words
        self._account = set() if account is None else account
        self._pipeline: ChunkPipeline | None = None
        self._recogniser: Recogniser | None = None
        self._source_sha256 = ""

    def stop(self) -> int:
        """Lets nothing more be sent to the recogniser. Returns the number of answers that are still waited for; if it
        is 0, cancelling the run loses nothing."""
        return 0 if self._pipeline is None else self._pipeline.stop()

    async def run(self, file: Path, checkpoint_folder: Path) -> Transcription:
        """Raises ClientError; the answers that had arrived by then are stored below `checkpoint_folder`."""
        try:
            return await self._run(file, checkpoint_folder)
        finally:
            if self._recogniser is not None:
                with anyio.CancelScope(shield=True):
                    await self._recogniser.close()

    async def _run(self, file: Path, checkpoint_folder: Path) -> Transcription:
        hashing = anyio.to_thread.run_sync(_sha256, file, self._watcher.hashed, abandon_on_cancel=True)
        self._source_sha256 = await hashing
        checkpoint = Checkpoint(checkpoint_folder, self._source_sha256)
        options = self._options
        with checkpoint.locked():
            memo = AnswerMemo(checkpoint, options.speech)
            job_step = JobStep(self._client, self._server, options.upload, checkpoint, self._watcher)
            speakers_step = SpeakersStep(
                self._client, self._server, options.upload, options.speakers, checkpoint, self._watcher
            )
            job = job_step.stored()
            if job is not None:
                memo.skip(self._unheard_chunks(job))
            if job is None or not self._all_stored(job, memo, speakers_step):
                self._recogniser = self._build_recogniser()  # before the upload: a missing key must not cost one
                needs_diarizer = options.diarize and not options.upload.multichannel
                if needs_diarizer and speakers_step.stored() is None and not self._words_stored(job, memo):
                    await speakers_step.check_available()
                job = await job_step.run(file)
                memo.skip(self._unheard_chunks(job))
                await self._start_speakers(job, memo, speakers_step)
            for warning in job.warnings:
                self._watcher.note(describe_warning(warning, job.tracks))
            if skipped := sum(chunk.sha256 in self._unheard_chunks(job) for chunk in job.chunks):
                self._watcher.note(describe_skipped(skipped, len(job.chunks)))
            answers, speakers = await self._answers_and_speakers(job, memo, checkpoint, speakers_step)
        return self._transcription(job, answers, speakers, self._watcher.note)

    def _unheard_chunks(self, job: Job) -> set[str]:
        """Returns the silent chunks, by hash: a recogniser would bill them, and answer with words that nobody said."""
        if self._options.doubtful is DoubtfulWords.KEEP:
            return set()
        return {chunk.sha256 for chunk in job.chunks if chunk.silent or SILENT_WARNING in job.warnings}

    async def _start_speakers(self, job: Job, memo: AnswerMemo, speakers_step: SpeakersStep) -> None:
        """Requests the speakers before a word is paid for. Raises DiarizationUnavailableError, unless all words are
        there: then the transcript without speakers is better than none."""
        if not self._wants_speakers(job):
            return
        try:
            await speakers_step.start(job.job_id)
        except DiarizationUnavailableError:
            if not self._words_stored(job, memo):
                raise

    def _all_stored(self, job: Job, memo: AnswerMemo, speakers_step: SpeakersStep) -> bool:
        """Returns whether nothing is left to do but to merge and to write another format."""
        speakers_known = not self._wants_speakers(job) or speakers_step.stored() is not None
        return speakers_known and self._words_stored(job, memo)

    def _words_stored(self, job: Job | None, memo: AnswerMemo) -> bool:
        return job is not None and all(memo.get(chunk.sha256) is not None for chunk in job.chunks)

    def _wants_speakers(self, job: Job) -> bool:
        """Returns whether the service is to say who speaks when. Of channels it knows which one is the louder one; in a
        silent recording there is nobody to find."""
        if self._unheard_chunks(job).issuperset(chunk.sha256 for chunk in job.chunks):
            return False
        return self._options.diarize or is_multichannel(job.chunks)

    async def _answers_and_speakers(
        self, job: Job, memo: AnswerMemo, checkpoint: Checkpoint, speakers_step: SpeakersStep
    ) -> tuple[list[ChunkAnswer], Speakers]:
        """Returns an answer for each chunk, in order, and the speakers. Both are obtained at the same time."""
        wanted = self._wants_speakers(job)
        speakers = Speakers.unknown(NoSpeaker.PENDING if wanted else NoSpeaker.NOT_ASKED)
        failure: ClientError | None = None

        async def find_speakers() -> None:
            nonlocal speakers, failure
            try:
                speakers = await speakers_step.run(job.job_id)
            except ClientError as error:
                failure = error

        async with anyio.create_task_group() as tasks:
            if wanted:
                tasks.start_soon(find_speakers)
            try:
                await self._recognise_missing(job.chunks, memo, checkpoint)
            except ClientError as error:
                failure = error
                tasks.cancel_scope.cancel()
            else:
                if speakers.missing is NoSpeaker.PENDING:
                    self._wait_for_speakers(tasks.cancel_scope, job, _answers(job, memo), speakers)
        if failure is not None:
            raise failure
        return _answers(job, memo), speakers

    def _wait_for_speakers(
        self, scope: anyio.CancelScope, job: Job, answers: Sequence[ChunkAnswer], speakers: Speakers
    ) -> None:
        """Hands out the transcript without speakers, and limits the wait for them."""
        if self._on_words is not None:
            self._on_words(self._transcription(job, answers, speakers))
        if (patience := self._options.speakers_patience_seconds) is not None:
            scope.deadline = anyio.current_time() + patience

    async def _recognise_missing(self, chunks: Sequence[Chunk], memo: AnswerMemo, checkpoint: Checkpoint) -> None:
        missing = [chunk for chunk in chunks if memo.get(chunk.sha256) is None]
        total = sum(chunk.duration_seconds for chunk in chunks)
        self._watcher.recognising(total, total - sum(chunk.duration_seconds for chunk in missing))
        if not missing:
            return
        assert self._recogniser is not None
        self._pipeline = ChunkPipeline(
            self._client,
            self._recogniser,
            memo,
            checkpoint,
            self._watcher,
            limits=self._options.limits,
            parallel=self._options.parallel,
            earlier=self._account,
        )
        try:
            await self._pipeline.run(missing)
        finally:
            self._pipeline = None
            self._account.update(memo.bookings())

    def _transcription(
        self, job: Job, answers: Sequence[ChunkAnswer], speakers: Speakers, note: Callable[[str], None] | None = None
    ) -> Transcription:
        """Returns what is known by now. `note` is called with sentences about the words; leave it out before the
        speakers are known, because these decide which words are left out."""
        places = [ChunkPlace(chunk.start_seconds, chunk.duration_seconds) for chunk in job.chunks]
        timed = [on_chunk_clock(answer, place.duration) for place, answer in zip(places, answers, strict=True)]
        merged = merge_job(job.chunks, list(zip(places, timed, strict=True)), speakers, self._options.names)
        origin = Origin(self._source_sha256, self._options.speech.model, least_times(timed))
        language = merged.language or (self._options.speech.language if merged.words else None)
        transcript = replace(merged.without(DROPPED[self._options.doubtful]), origin=origin, language=language)
        if note is not None:
            for sentence in describe_words(merged, transcript):
                note(sentence)
        requested = self._options.diarize and self._wants_speakers(job)
        return Transcription(transcript, job, speakers.missing if requested else None)


def _answers(job: Job, memo: AnswerMemo) -> list[ChunkAnswer]:
    return [answer for chunk in job.chunks if (answer := memo.get(chunk.sha256)) is not None]


def _sha256(file: Path, report: Callable[[int, int], None]) -> str:
    digest, done_bytes = hashlib.sha256(), 0
    try:
        with file.open("rb") as opened:
            total_bytes = file.stat().st_size
            while block := opened.read(BLOCK_BYTES):
                digest.update(block)
                done_bytes += len(block)
                report(done_bytes, total_bytes)
    except OSError as error:
        raise StorageError.from_os_error(error, file) from None
    return digest.hexdigest()
