"""What a transcription has finished, stored beside its output, so that a run that was interrupted can go on.

    talk.whisperjob/<source>/job-<options>.json        the Idempotency-Key, written before the upload; then the job
    talk.whisperjob/<source>/answer-<options>.json     one chunk's answer, by the hash of the chunk and the options
    talk.whisperjob/<source>/speakers-<options>.json   the diarization
    talk.whisperjob/<source>/lock                      locked while a run works here

`<source>` is the source's SHA-256, shortened. Every file is replaced atomically, and only its owner may read it.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from whisperjob_client.atomic_files import ensure_private_folder, open_private, read_bounded, write_atomically
from whisperjob_client.errors import InUseError, StorageError
from whisperjob_client.models import DiarizationResult, Job

S = TypeVar("S", bound=BaseModel)

MAX_STORED_BYTES = 64 * 1024 * 1024
"""No answer is as large; see `bounded_bodies`."""

Key = dict[str, Any]
"""The options that a stored object depends on."""


class StoredJob(BaseModel):
    """A job before its upload (a key alone), after it (with its id), and when it was completed."""

    model_config = ConfigDict(frozen=True)

    idempotency_key: str
    job_id: str | None = None
    job: Job | None = None


class StoredAnswer(BaseModel):
    """An answer as it arrived.

    `endpoint`, `sent_at` (seconds since the epoch) and `seconds` (of audio) count it against the limits of a later run.
    """

    model_config = ConfigDict(frozen=True)

    endpoint: str
    sent_at: float
    seconds: float
    answer: dict[str, Any]


class StoredSpeakers(BaseModel):
    """A completed diarization."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    result: DiarizationResult


class Checkpoint:
    """The stored objects of one source. Reading gives None for an object that is absent or cannot be read: that part
    of the work is done again. Writing raises StorageError."""

    def __init__(self, folder: Path, source_sha256: str) -> None:
        self.folder = folder / source_sha256[:16]

    def job(self, key: Key) -> StoredJob | None:
        return self._read(self._file("job", key), StoredJob)

    def store_job(self, key: Key, job: StoredJob) -> None:
        self._write(self._file("job", key), job)

    def answer(self, key: Key) -> StoredAnswer | None:
        return self._read(self._file("answer", key), StoredAnswer)

    def store_answer(self, key: Key, answer: StoredAnswer) -> None:
        self._write(self._file("answer", key), answer)

    def answers_from(self, endpoint: str) -> Iterator[StoredAnswer]:
        """Yields all answers of one recogniser, whatever the other options were."""
        for file in self.folder.glob("answer-*.json"):
            answer = self._read(file, StoredAnswer)
            if answer is not None and answer.endpoint == endpoint:
                yield answer

    def speakers(self, key: Key) -> StoredSpeakers | None:
        return self._read(self._file("speakers", key), StoredSpeakers)

    def store_speakers(self, key: Key, speakers: StoredSpeakers) -> None:
        self._write(self._file("speakers", key), speakers)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Raises InUseError if another run works here, StorageError if the folder cannot be made."""
        try:
            ensure_private_folder(self.folder.parent)
            ensure_private_folder(self.folder)
            lock = open_private(self.folder / "lock")
        except OSError as error:
            raise StorageError.from_os_error(error, self.folder) from None
        with lock:
            try:
                _lock(lock.fileno())
            except BlockingIOError:
                raise InUseError(f"Another run works on this recording ({self.folder} is locked).") from None
            yield

    def _file(self, kind: str, key: Key) -> Path:
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
        return self.folder / f"{kind}-{digest[:16]}.json"

    def _read(self, file: Path, kind: type[S]) -> S | None:
        try:
            return kind.model_validate_json(read_bounded(file, MAX_STORED_BYTES))
        except (OSError, ValidationError):
            return None

    def _write(self, file: Path, value: BaseModel) -> None:
        write_atomically(file, value.model_dump_json(by_alias=True, exclude_unset=True).encode())


def _lock(descriptor: int) -> None:
    """Locks a file, where the system has flock. Elsewhere the user must not start two runs at once."""
    with contextlib.suppress(ImportError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
