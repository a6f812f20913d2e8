"""What can go wrong between a caller and the service; an error is one sentence for a person, and a code.

Server errors carry the API's own code and sentence.
"""


class ClientError(Exception):
    """The root. `code` is stable, for programs; `str()` is one sentence."""

    code = "client_error"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code


class UsageError(ClientError):
    """The caller asked for something that cannot be; nothing was sent."""

    code = "usage"


class UnreachableError(ClientError):
    """No answer came: no connection, or it broke. Trying again later may help."""

    code = "unreachable"


class BadAnswerError(ClientError):
    """Something answered that is no WhisperJob service, or one of another version."""

    code = "bad_answer"


class ApiError(ClientError):
    """The service said no. `retry_after_seconds` is what it asked to wait, where it did."""

    def __init__(self, status: int, code: str, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message, code)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class UnauthorizedError(ApiError):
    """401: the key is missing or wrong."""


class NotFoundError(ApiError):
    """404: no such job or file, or not ours."""


class ConflictError(ApiError):
    """409: not completed yet, an Idempotency-Key used for something else, another diarization running."""


class UnavailableError(ApiError):
    """429, 502, 503, 504, 507: not now."""


class DiarizationUnavailableError(UnavailableError):
    """503 `diarization_unavailable`: this service has no diarizer; waiting does not help."""


class JobFailedError(ClientError):
    """The job ended in an error; `code` is the job's `errorCode`."""

    def __init__(self, job_id: str, code: str, message: str) -> None:
        super().__init__(message, code)
        self.job_id = job_id


class DiarizationFailedError(JobFailedError):
    """The diarization ended in an error; the job itself stands."""


class WaitTimeoutError(ClientError):
    """It did not end in the time it was given; it goes on without us."""

    code = "wait_timeout"


class DamagedDownloadError(ClientError):
    """What arrived is not what the service says the file is; nothing was kept."""

    code = "damaged_download"


class StorageError(ClientError):
    """A file on this machine cannot be read or written: no room, no permission."""

    code = "local_storage"

    @classmethod
    def of(cls, error: OSError, file: object) -> "StorageError":
        return cls(f"{error.filename or file}: {error.strerror or error}.")


class SpeechError(ClientError):
    """The speech recogniser failed or refused; finished chunks are kept."""

    code = "speech_recognition_failed"


_BY_STATUS: dict[int, type[ApiError]] = {
    401: UnauthorizedError,
    404: NotFoundError,
    409: ConflictError,
    429: UnavailableError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
    507: UnavailableError,
}


def api_error(status: int, code: str, message: str, retry_after_seconds: float | None = None) -> ApiError:
    kind = _BY_STATUS.get(status, ApiError)
    if code == "diarization_unavailable":
        kind = DiarizationUnavailableError
    return kind(status, code, message, retry_after_seconds)
