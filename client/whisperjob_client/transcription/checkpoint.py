"""What a transcription has paid for is kept beside its output, so that a run that was broken off goes on.

    talk.whisperjob/<source>/job-<options>.json        the Idempotency-Key, written before the upload; then the job
    talk.whisperjob/<source>/answer-<options>.json     one chunk's answer, found by the chunk's and the options' hash
    talk.whisperjob/<source>/speakers-<options>.json   the diarization
    talk.whisperjob/<source>/lock                      held while a run works here

`<source>` is the source's SHA-256, shortened; every file is replaced atomically.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from whisperjob_client.errors import StorageError, UsageError
from whisperjob_client.models import DiarizationResult, Job

K = TypeVar("K", bound=BaseModel)


class KeptJob(BaseModel):
    model_config = ConfigDict(frozen=True)

    idempotency_key: str
    job_id: str | None = None
    job: Job | None = None


class KeptAnswer(BaseModel):
    """`sent_at`, in seconds since the epoch, and to which `endpoint`: a later run counts it against its limits."""

    model_config = ConfigDict(frozen=True)

    endpoint: str
    sent_at: float
    seconds: float
    answer: dict[str, Any]


class KeptSpeakers(BaseModel):
    model_config = ConfigDict(frozen=True)

    job_id: str
    result: DiarizationResult


class Kept:
    """The folder of one source."""

    def __init__(self, folder: Path, source_sha256: str) -> None:
        self.folder = folder / source_sha256[:16]

    def job(self, options: dict[str, Any]) -> KeptJob | None:
        return self._read(self._file("job", options), KeptJob)

    def keep_job(self, options: dict[str, Any], job: KeptJob) -> None:
        self._write(self._file("job", options), job)

    def answer(self, chunk_sha256: str, options: dict[str, Any]) -> KeptAnswer | None:
        return self._read(self._file("answer", {"chunk": chunk_sha256, **options}), KeptAnswer)

    def keep_answer(self, chunk_sha256: str, options: dict[str, Any], answer: KeptAnswer) -> None:
        self._write(self._file("answer", {"chunk": chunk_sha256, **options}), answer)

    def answers(self, endpoint: str) -> Iterator[KeptAnswer]:
        """All that one recogniser gave, whatever the other options."""
        for file in self.folder.glob("answer-*.json"):
            answer = self._read(file, KeptAnswer)
            if answer is not None and answer.endpoint == endpoint:
                yield answer

    def speakers(self, options: dict[str, Any]) -> KeptSpeakers | None:
        return self._read(self._file("speakers", options), KeptSpeakers)

    def keep_speakers(self, options: dict[str, Any], speakers: KeptSpeakers) -> None:
        self._write(self._file("speakers", options), speakers)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Raises UsageError if another run works here, StorageError if the folder cannot be made."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("w")
        except OSError as error:
            raise StorageError.of(error, self.folder) from None
        with lock:
            try:
                _lock(lock.fileno())
            except BlockingIOError:
                raise UsageError(f"Another run works on this recording ({self.folder} is locked).") from None
            yield

    def _file(self, kind: str, options: dict[str, Any]) -> Path:
        digest = hashlib.sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()
        return self.folder / f"{kind}-{digest[:16]}.json"

    def _read(self, file: Path, kind: type[K]) -> K | None:
        """None where there is nothing, or nothing that can be read: it is simply done again."""
        try:
            return kind.model_validate_json(file.read_bytes())
        except (OSError, ValidationError):
            return None

    def _write(self, file: Path, value: BaseModel) -> None:
        write_atomically(file, value.model_dump_json(by_alias=True, exclude_unset=True).encode())


def write_atomically(file: Path, data: bytes) -> None:
    """The file is the old one or the new one, whenever the machine stops. Raises StorageError."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with beside.open("wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(opened.fileno())
        beside.replace(file)
    except OSError as error:
        raise StorageError.of(error, file) from None
    finally:
        beside.unlink(missing_ok=True)


def _lock(descriptor: int) -> None:
    """Where a system has no flock, two runs at once are the user's care."""
    with contextlib.suppress(ImportError):
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
