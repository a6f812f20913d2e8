"""Error codes and exceptions, by whose fault the error is.

`JobCode` is part of the public interface: it stands in the status of a failed job, and in the CRD's enum. Exceptions
carry data; they are mapped to an HTTP answer or to a retry only at the edges (the API's own errors are in
`whisperjob_api/errors.py`). This module must not import anything of the project.
"""

from enum import StrEnum


class JobCode(StrEnum):
    """Why a job ended in `Error`: stable, for programs. The sentence beside it in the status is for people."""

    NO_AUDIO = "no_audio"
    NOT_MEDIA = "not_media"
    EMPTY_INPUT = "empty_input"
    ENCRYPTED = "encrypted"
    PLAYLIST_REFUSED = "playlist_refused"
    SOURCE_REFUSED = "source_refused"
    TRACK_UNAVAILABLE = "track_unavailable"
    DURATION_LIMIT = "duration_limit"
    DISK_LIMIT = "disk_limit"
    RESOURCE_LIMIT = "resource_limit"
    START_DEADLINE = "start_deadline"
    RUN_DEADLINE = "run_deadline"
    INFRASTRUCTURE = "infrastructure"
    MODEL_UNAVAILABLE = "model_unavailable"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


class WarningCode(StrEnum):
    """What was odd about a recording that was processed nevertheless: stable, for programs."""

    INPUT_TRUNCATED = "input_truncated"
    SILENT = "silent"
    OPPOSITE_PHASE = "opposite_phase"
    INVALID_SAMPLES = "invalid_samples"
    TIMESTAMP_DISCONTINUITY = "timestamp_discontinuity"
    SECOND_RECORDING = "second_recording"
    TRACKS_LEFT_OUT = "tracks_left_out"
    SEPARATE_CHANNELS = "separate_channels"


INPUT_CODES = frozenset(
    {
        JobCode.NO_AUDIO,
        JobCode.NOT_MEDIA,
        JobCode.EMPTY_INPUT,
        JobCode.ENCRYPTED,
        JobCode.PLAYLIST_REFUSED,
        JobCode.TRACK_UNAVAILABLE,
        JobCode.DURATION_LIMIT,
        JobCode.DISK_LIMIT,
        JobCode.RESOURCE_LIMIT,
        JobCode.RUN_DEADLINE,
    }
)
"""The verdicts that a worker may give on its input. They are final: the same file would fail in the same way again."""


VERDICT_CODES = INPUT_CODES | {JobCode.MODEL_UNAVAILABLE}
"""All verdicts of workers: the input is at fault, or the model is not available with the present settings."""


RETRYABLE_CODES = frozenset(
    {JobCode.INFRASTRUCTURE, JobCode.START_DEADLINE, JobCode.RUN_DEADLINE, JobCode.INTERNAL},
)
"""Ends that the recording need not be blamed for: its upload stays as long as the record, and it can be run again."""


class WhisperJobError(Exception):
    """The root of every error that this software raises on purpose."""


class InputError(WhisperJobError):
    """The recording itself is at fault; it is never retried. `message` is one plain sentence for its owner."""

    def __init__(self, code: JobCode, message: str) -> None:
        if code not in INPUT_CODES:
            raise ValueError(f"{code} is not a verdict on an input")
        super().__init__(message)
        self.code = code
        self.message = message


class ModelUnavailableError(WhisperJobError):
    """The configured model is not available: there is no token or no network, or its terms were not accepted.

    `message` says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = JobCode.MODEL_UNAVAILABLE
        self.message = message


class StoreError(WhisperJobError):
    """The object store failed; the caller's request was valid."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached or refuses to work now; a later try may succeed."""


class StoreFullError(StoreError):
    """The store has no room for the object; nothing of it was stored."""


class ObjectNotFoundError(StoreError):
    """No object has this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no object {key!r}")
        self.key = key


class RecordError(WhisperJobError):
    """A job record could not be read or written."""


class RecordNotFoundError(RecordError):
    """No record has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no record {name!r}")
        self.name = name


class RecordExistsError(RecordError):
    """A record of this name exists already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"record {name!r} exists already")
        self.name = name


class RecordConflictError(RecordError):
    """The record has changed since it was read (HTTP 409 in Kubernetes): read it and decide again."""

    def __init__(self, name: str) -> None:
        super().__init__(f"record {name!r} changed meanwhile")
        self.name = name


class RecordInvalidError(RecordError):
    """A write breaks the rules of the model (HTTP 422 in Kubernetes): a bug in the writer, or a bad kubectl edit."""


class RecordUnreadableError(RecordError):
    """A record exists that this software cannot read; `tenant` is None where not even that can be read."""

    def __init__(self, name: str, uid: str, tenant: str | None, why: str) -> None:
        super().__init__(f"record {name!r} cannot be read: {why}")
        self.name = name
        self.uid = uid
        self.tenant = tenant
        self.why = why


class RecordsUnavailableError(RecordError):
    """The records cannot be reached now; a later try may succeed."""


class RecordsFullError(RecordsUnavailableError):
    """There is no room for the write; nothing of it was stored."""


class WatchExpiredError(RecordError):
    """The version to watch from is too old (HTTP 410 in Kubernetes): list again."""


class AttemptOverError(WhisperJobError):
    """The worker's attempt is over, or never was its own: it must stop, and nothing that it writes will be read."""


class ProtocolViolationError(WhisperJobError):
    """Worker and engine do not understand each other: a bug, or two versions of the software that do not match."""
