"""Whose fault it is, and what to do next.

Two vocabularies, both part of the public interface: `HttpCode` stands in the body of every HTTP error, `JobCode`
in the status of a failed job (and in the CRD's enum). Exceptions carry data; they are mapped to an HTTP answer or to
a retry only at the edges. This module must not import anything of the project.
"""

from enum import StrEnum


class HttpCode(StrEnum):
    """The `code` of an HTTP error; the HTTP status of each stands in `HTTP_STATUS`."""

    INVALID_REQUEST = "invalid_request"
    INVALID_UPLOAD = "invalid_upload"
    EMPTY_FILE = "empty_file"
    UNAUTHORIZED = "unauthorized"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REQUEST_TIMEOUT = "request_timeout"
    UPLOAD_TOO_SLOW = "upload_too_slow"
    NOT_COMPLETED = "not_completed"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    RANGE_NOT_SATISFIABLE = "range_not_satisfiable"
    HEADERS_TOO_LARGE = "headers_too_large"
    TOO_MANY_JOBS = "too_many_jobs"
    DIARIZATION_UNAVAILABLE = "diarization_unavailable"
    DIARIZATION_RUNNING = "diarization_running"
    UNAVAILABLE = "unavailable"
    INSUFFICIENT_STORAGE = "insufficient_storage"
    INTERNAL = "internal"


HTTP_STATUS: dict[HttpCode, int] = {
    HttpCode.INVALID_REQUEST: 422,
    HttpCode.INVALID_UPLOAD: 400,
    HttpCode.EMPTY_FILE: 400,
    HttpCode.UNAUTHORIZED: 401,
    HttpCode.NOT_FOUND: 404,
    HttpCode.METHOD_NOT_ALLOWED: 405,
    HttpCode.REQUEST_TIMEOUT: 408,
    HttpCode.UPLOAD_TOO_SLOW: 408,
    HttpCode.NOT_COMPLETED: 409,
    HttpCode.IDEMPOTENCY_MISMATCH: 409,
    HttpCode.CONFLICT: 409,
    HttpCode.DIARIZATION_RUNNING: 409,
    HttpCode.TOO_LARGE: 413,
    HttpCode.RANGE_NOT_SATISFIABLE: 416,
    HttpCode.TOO_MANY_JOBS: 429,
    HttpCode.HEADERS_TOO_LARGE: 431,
    HttpCode.INTERNAL: 500,
    HttpCode.UNAVAILABLE: 503,
    HttpCode.DIARIZATION_UNAVAILABLE: 503,
    HttpCode.INSUFFICIENT_STORAGE: 507,
}


class JobCode(StrEnum):
    """Why a job ended in `Error`; stable, for programs. The sentence beside it in the status is for people."""

    NO_AUDIO = "no_audio"
    NOT_MEDIA = "not_media"
    EMPTY_INPUT = "empty_input"
    ENCRYPTED = "encrypted"
    PLAYLIST_REFUSED = "playlist_refused"
    SOURCE_REFUSED = "source_refused"
    DURATION_LIMIT = "duration_limit"
    DISK_LIMIT = "disk_limit"
    START_DEADLINE = "start_deadline"
    RUN_DEADLINE = "run_deadline"
    INFRASTRUCTURE = "infrastructure"
    MODEL_UNAVAILABLE = "model_unavailable"
    CANCELLED = "cancelled"
    INTERNAL = "internal"


class WarningCode(StrEnum):
    """What was odd about a recording that was worked on all the same; stable, for programs."""

    INPUT_TRUNCATED = "input_truncated"
    SILENT = "silent"
    OPPOSITE_PHASE = "opposite_phase"


INPUT_CODES = frozenset(
    {
        JobCode.NO_AUDIO,
        JobCode.NOT_MEDIA,
        JobCode.EMPTY_INPUT,
        JobCode.ENCRYPTED,
        JobCode.PLAYLIST_REFUSED,
        JobCode.DURATION_LIMIT,
        JobCode.DISK_LIMIT,
        JobCode.RUN_DEADLINE,
    }
)
"""The verdicts a worker may pass on its input. They are final: the same file would fail the same way again."""


VERDICT_CODES = INPUT_CODES | {JobCode.MODEL_UNAVAILABLE}
"""What a worker may end its stage with for good: its input's fault, or a model that cannot be had as it is set up."""


class WhisperJobError(Exception):
    """The root of everything this project raises on purpose."""


class InputError(WhisperJobError):
    """The recording itself is at fault; never retried. `message` is one plain sentence for its owner."""

    def __init__(self, code: JobCode, message: str) -> None:
        if code not in INPUT_CODES:
            raise ValueError(f"{code} is not a verdict on an input")
        super().__init__(message)
        self.code = code
        self.message = message


class ModelUnavailableError(WhisperJobError):
    """The configured model cannot be had: no token, terms not accepted, no network. `message` says what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.code = JobCode.MODEL_UNAVAILABLE
        self.message = message


class RequestError(WhisperJobError):
    """An HTTP request cannot be served as it is.

    `retry_after_seconds` is set where waiting helps; it becomes the Retry-After header.
    """

    def __init__(self, code: HttpCode, message: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_seconds = retry_after_seconds

    @property
    def http_status(self) -> int:
        return HTTP_STATUS[self.code]


class StoreError(WhisperJobError):
    """The object store failed; the caller's request was fine."""


class StoreUnavailableError(StoreError):
    """The store cannot be reached or refuses to work now; trying again later may help."""


class StoreFullError(StoreError):
    """The store has no room for the object; nothing of it was kept."""


class ObjectNotFoundError(StoreError):
    """No object has this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"no object {key!r}")
        self.key = key


class RecordError(WhisperJobError):
    """A job record could not be read or written."""


class RecordNotFoundError(RecordError):
    def __init__(self, name: str) -> None:
        super().__init__(f"no record {name!r}")
        self.name = name


class RecordExistsError(RecordError):
    def __init__(self, name: str) -> None:
        super().__init__(f"record {name!r} exists already")
        self.name = name


class RecordConflictError(RecordError):
    """The record changed since it was read (HTTP 409 in Kubernetes): read again, decide again."""

    def __init__(self, name: str) -> None:
        super().__init__(f"record {name!r} changed meanwhile")
        self.name = name


class RecordInvalidError(RecordError):
    """A write breaks the rules of the model (HTTP 422 in Kubernetes): a bug in the writer, or a bad kubectl edit."""


class RecordsUnavailableError(RecordError):
    """The records cannot be reached now; trying again later may help."""


class WatchExpiredError(RecordError):
    """The version to watch from is too old (HTTP 410 in Kubernetes): list again."""


class ClaimRefusedError(WhisperJobError):
    """The worker's attempt is over or was never its own: it must stop, nothing it writes will be read."""
