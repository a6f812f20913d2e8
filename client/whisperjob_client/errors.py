"""What can go wrong between a caller and the service: each error is one sentence for people, and a code for programs.

Errors of the service have the API's own code and sentence. Whatever a message repeats of others, names of files and
what a server says, it is one line that a terminal and a log may show.
"""

from typing import Final

from whisperjob_client.plain_text import plain

LONGEST_MESSAGE: Final = 2000
_LONGEST_CODE: Final = 100


class ClientError(Exception):
    """The base of all errors of the client. `code` is stable, for programs; `str()` is one sentence."""

    code = "client_error"

    def __init__(self, message: str, code: str | None = None) -> None:
        self.message = plain(message, LONGEST_MESSAGE)
        self.code = plain(code, _LONGEST_CODE) if code else self.code
        super().__init__(self.message)


class UsageError(ClientError):
    """The caller's arguments or settings are unusable; nothing was sent."""

    code = "usage"


class InUseError(UsageError):
    """Another run of this program works on the same recording."""


class UnreachableError(ClientError):
    """No answer arrived: there was no connection, or it broke. Trying again later may help."""

    code = "unreachable"


class SlowAnswerError(UnreachableError):
    """An answer began and did not end in time. Asking again at once would only wait again."""


class BadAnswerError(ClientError):
    """The answer is not that of a WhisperJob service, or that of an incompatible version."""

    code = "bad_answer"


class ApiError(ClientError):
    """The service refused. `retry_after_seconds` is its Retry-After, None if it gave none."""

    def __init__(self, status: int, code: str, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message, code)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class UnauthorizedError(ApiError):
    """401: the key is missing or wrong."""


class NotFoundError(ApiError):
    """404: there is no such job or file, or it belongs to another owner."""


class ConflictError(ApiError):
    """409: the job is not completed, the Idempotency-Key was used for something else, or another diarization runs."""


class UnavailableError(ApiError):
    """429, 502, 503, 504, 507: the service cannot do it now."""


class DiarizationUnavailableError(UnavailableError):
    """503 `diarization_unavailable`: this service has no diarizer; waiting does not help."""


class JobFailedError(ClientError):
    """The job ended in an error; `code` is the job's `errorCode`."""

    def __init__(self, job_id: str, code: str, message: str) -> None:
        super().__init__(message, code)
        self.job_id = job_id


class DiarizationFailedError(JobFailedError):
    """The diarization ended in an error; the job itself stays completed."""


class WaitTimeoutError(ClientError):
    """The caller's patience ran out; the service continues the work."""

    code = "wait_timeout"


class DamagedDownloadError(ClientError):
    """The file that arrived has another hash than the service says; it was removed."""

    code = "damaged_download"


class StorageError(ClientError):
    """A file on this machine cannot be read or written, for example for lack of space or permission."""

    code = "local_storage"

    @classmethod
    def from_os_error(cls, error: OSError, file: object) -> "StorageError":
        return cls(f"{error.filename or file}: {error.strerror or error}.")


class StoppedError(ClientError):
    """The run was stopped; what had arrived by then is stored."""

    code = "interrupted"


class SpeechError(ClientError):
    """The speech recogniser failed or refused; the answers for finished chunks are stored."""

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
    """Returns the error of the class that stands for the status and the code."""
    kind = _BY_STATUS.get(status, ApiError)
    if code == "diarization_unavailable":
        kind = DiarizationUnavailableError
    return kind(status, code, message, retry_after_seconds)
