"""The errors of the HTTP API: their codes, part of the public interface, and the exception that carries one."""

from enum import StrEnum

from whisperjob.model.errors import WhisperJobError


class HttpCode(StrEnum):
    """The `code` of an HTTP error; `HTTP_STATUS` has the HTTP status of each."""

    INVALID_REQUEST = "invalid_request"
    INVALID_UPLOAD = "invalid_upload"
    EMPTY_FILE = "empty_file"
    UNAUTHORIZED = "unauthorized"
    KEY_EXPIRED = "key_expired"
    KEY_REVOKED = "key_revoked"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    TOO_MANY_WRONG_KEYS = "too_many_wrong_keys"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    REQUEST_TIMEOUT = "request_timeout"
    UPLOAD_TOO_SLOW = "upload_too_slow"
    NOT_COMPLETED = "not_completed"
    NOT_RETRYABLE = "not_retryable"
    CROSS_ORIGIN_REFUSED = "cross_origin_refused"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    RANGE_NOT_SATISFIABLE = "range_not_satisfiable"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    EXPECTATION_FAILED = "expectation_failed"
    HEADERS_TOO_LARGE = "headers_too_large"
    TOO_MANY_JOBS = "too_many_jobs"
    RATE_LIMITED = "rate_limited"
    DAILY_LIMIT = "daily_limit"
    DIARIZATION_UNAVAILABLE = "diarization_unavailable"
    DIARIZATION_RUNNING = "diarization_running"
    UNAVAILABLE = "unavailable"
    UPLOAD_SLOT_LOST = "upload_slot_lost"
    INSUFFICIENT_STORAGE = "insufficient_storage"
    RECORD_UNREADABLE = "record_unreadable"
    INTERNAL = "internal"


HTTP_STATUS: dict[HttpCode, int] = {
    HttpCode.INVALID_REQUEST: 422,
    HttpCode.INVALID_UPLOAD: 400,
    HttpCode.EMPTY_FILE: 400,
    HttpCode.CROSS_ORIGIN_REFUSED: 400,
    HttpCode.UNAUTHORIZED: 401,
    HttpCode.KEY_EXPIRED: 401,
    HttpCode.KEY_REVOKED: 401,
    HttpCode.INSUFFICIENT_SCOPE: 403,
    HttpCode.NOT_FOUND: 404,
    HttpCode.METHOD_NOT_ALLOWED: 405,
    HttpCode.REQUEST_TIMEOUT: 408,
    HttpCode.UPLOAD_TOO_SLOW: 408,
    HttpCode.NOT_COMPLETED: 409,
    HttpCode.NOT_RETRYABLE: 409,
    HttpCode.IDEMPOTENCY_MISMATCH: 409,
    HttpCode.CONFLICT: 409,
    HttpCode.DIARIZATION_RUNNING: 409,
    HttpCode.TOO_LARGE: 413,
    HttpCode.UNSUPPORTED_ENCODING: 415,
    HttpCode.RANGE_NOT_SATISFIABLE: 416,
    HttpCode.EXPECTATION_FAILED: 417,
    HttpCode.TOO_MANY_JOBS: 429,
    HttpCode.RATE_LIMITED: 429,
    HttpCode.TOO_MANY_WRONG_KEYS: 429,
    HttpCode.DAILY_LIMIT: 429,
    HttpCode.HEADERS_TOO_LARGE: 431,
    HttpCode.INTERNAL: 500,
    HttpCode.RECORD_UNREADABLE: 500,
    HttpCode.UNAVAILABLE: 503,
    HttpCode.UPLOAD_SLOT_LOST: 503,
    HttpCode.DIARIZATION_UNAVAILABLE: 503,
    HttpCode.INSUFFICIENT_STORAGE: 507,
}


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
        """The HTTP status of the code."""
        return HTTP_STATUS[self.code]
