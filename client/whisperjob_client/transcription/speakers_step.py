"""The step of a transcription that finds out who speaks when, beside the recognition of the chunks."""

from whisperjob_client.async_client import AsyncClient
from whisperjob_client.errors import ClientError, DiarizationUnavailableError
from whisperjob_client.models import DiarizationResult
from whisperjob_client.options import SpeakerCount, UploadOptions
from whisperjob_client.transcript.transcript_model import NoSpeaker, Speakers, SpeakerSegment
from whisperjob_client.transcription.checkpoint import Checkpoint, StoredSpeakers
from whisperjob_client.transcription.options import Watcher


class SpeakersStep:
    """Diarizes a job, or finds the diarization of an earlier run. `server` names the server in the checkpoint."""

    def __init__(
        self,
        client: AsyncClient,
        server: str,
        upload: UploadOptions,
        count: SpeakerCount,
        checkpoint: Checkpoint,
        watcher: Watcher,
    ) -> None:
        self._client = client
        self._count = count
        self._checkpoint = checkpoint
        self._watcher = watcher
        self._key = {"server": server, **upload.to_key(), "numSpeakers": None, **count.to_json()}

    def stored(self) -> Speakers | None:
        """Returns the speakers, if the checkpoint has them."""
        stored = self._checkpoint.speakers(self._key)
        return _to_speakers(stored.result) if stored else None

    async def check_available(self) -> None:
        """Raises DiarizationUnavailableError if the service says that it has no diarizer."""
        health = await self._client.health()
        if health.diarization is False:
            raise DiarizationUnavailableError(503, "diarization_unavailable", "This service has no diarizer.")

    async def start(self, job_id: str) -> None:
        """Starts the diarization. Raises DiarizationUnavailableError; any other error shows in `run`."""
        if self.stored() is not None:
            return
        try:
            await self._request(job_id)
        except DiarizationUnavailableError:
            raise
        except ClientError:
            return

    async def run(self, job_id: str) -> Speakers:
        """Returns the speakers, or the reason why they are unknown: a transcript without speakers is better than none.

        Raises StorageError.
        """
        if (stored := self.stored()) is not None:
            return stored
        try:
            await self._request(job_id)
            result = await self._client.wait_diarization(job_id, on_change=self._watcher.diarizing)
        except DiarizationUnavailableError as error:
            self._watcher.note(f"No speakers: {error}")
            return Speakers.unknown(NoSpeaker.UNAVAILABLE)
        except ClientError as error:
            self._watcher.note(f"No speakers: {error}")
            return Speakers.unknown(NoSpeaker.FAILED)
        for note in result.notes:
            self._watcher.note(note)
        self._checkpoint.store_speakers(self._key, StoredSpeakers(job_id=job_id, result=result))
        return _to_speakers(result)

    async def _request(self, job_id: str) -> None:
        """Repeating it changes nothing: a running diarization continues, and a failed one starts again."""
        count = self._count
        started = await self._client.diarize(
            job_id, count.num_speakers, min_speakers=count.min_speakers, max_speakers=count.max_speakers
        )
        for warning in started.warnings:
            self._watcher.note(warning.message)


def _to_speakers(result: DiarizationResult) -> Speakers:
    turns = result.segments if result.exclusive is None else result.exclusive
    return Speakers(tuple(SpeakerSegment(turn.start, turn.end, turn.speaker) for turn in turns))
