"""Builds the page on the codes of errors and warnings. The meanings are here; the page cannot lack a code."""

from whisperjob.model.errors import JobCode, WarningCode
from whisperjob_api.errors import HTTP_STATUS, HttpCode
from whisperjob_api.schemas import RequestWarningCode
from whisperjob_client.job_warnings import WARNING_SENTENCES

_HEAD = """# Error codes

Every error of the HTTP API is `{"error": "<one sentence for a person>", "code": "<for a program>"}`. Sentences may
change; codes stay. Where waiting helps, `Retry-After` says how many seconds.
"""

_HTTP: dict[HttpCode, str] = {
    HttpCode.INVALID_REQUEST: "A field, parameter or header does not fit; the sentence names it.",
    HttpCode.INVALID_UPLOAD: "The upload is neither `multipart/form-data` with one field `file` nor a file itself.",
    HttpCode.CROSS_ORIGIN_REFUSED: "A web page's preflight: its origin, method or headers are not allowed.",
    HttpCode.EMPTY_FILE: "The uploaded file has no bytes.",
    HttpCode.UNAUTHORIZED: "The `X-API-Key` header is missing or wrong.",
    HttpCode.KEY_EXPIRED: "The key has expired; ask the operator for another.",
    HttpCode.KEY_REVOKED: "The key was revoked; ask the operator for another.",
    HttpCode.INSUFFICIENT_SCOPE: "The key is valid and may not do this; the sentence names the scope that it lacks.",
    HttpCode.TOO_MANY_WRONG_KEYS: "Too many wrong keys came from this address; wait.",
    HttpCode.NOT_FOUND: "No such job or file, or not yours: the service does not distinguish them.",
    HttpCode.METHOD_NOT_ALLOWED: "The path exists, not with this method; `Allow` lists those it has.",
    HttpCode.REQUEST_TIMEOUT: "The request's head or body took too long to arrive.",
    HttpCode.UPLOAD_TOO_SLOW: "The upload paused for too long, or was too slow.",
    HttpCode.NOT_RETRYABLE: "The job cannot be run again: it has not ended, it is completed, or its recording is at "
    "fault, or gone.",
    HttpCode.NOT_COMPLETED: "The job has no result yet, or failed: look at `GET /job/{jobId}`.",
    HttpCode.IDEMPOTENCY_MISMATCH: "This `Idempotency-Key` was used for another file or other options.",
    HttpCode.CONFLICT: "The job changed meanwhile; send it again.",
    HttpCode.DIARIZATION_RUNNING: "Another diarization of this job is running; wait for it.",
    HttpCode.TOO_LARGE: "The file or the request's body is larger than it may be.",
    HttpCode.UNSUPPORTED_ENCODING: "The body is compressed (`Content-Encoding`); send it as it is.",
    HttpCode.EXPECTATION_FAILED: "`Expect` has another value than `100-continue`.",
    HttpCode.RANGE_NOT_SATISFIABLE: "`Range` requests bytes that the file does not have.",
    HttpCode.TOO_MANY_JOBS: "Too many jobs of yours, or bytes of them, are unfinished; wait for some to end.",
    HttpCode.RATE_LIMITED: "More requests than your tenant may send; `RateLimit` says what is left.",
    HttpCode.DAILY_LIMIT: "Your tenant has sent as many bytes or hours of sound as it may in 24 hours.",
    HttpCode.HEADERS_TOO_LARGE: "The request's head is larger than it may be.",
    HttpCode.RECORD_UNREADABLE: "The job exists, and the service cannot read its record. It is quarantined with "
    "its files until it can be read again; `DELETE` removes it.",
    HttpCode.INTERNAL: "A fault of the service; its log has more.",
    HttpCode.UNAVAILABLE: "The service is busy or shutting down, or the store or the records do not answer. Try again.",
    HttpCode.UPLOAD_SLOT_LOST: "All upload slots were taken, and another tenant waited for one; send the file again.",
    HttpCode.DIARIZATION_UNAVAILABLE: "This service has no diarizer; waiting does not help.",
    HttpCode.INSUFFICIENT_STORAGE: "The store has no room left for the upload.",
}

_REQUEST: dict[RequestWarningCode, str] = {
    RequestWarningCode.UNKNOWN_FIELD: "A field of the form or of the JSON body is unknown here, and was ignored.",
    RequestWarningCode.UNKNOWN_OPTION: "An option of the query is unknown here, and was ignored.",
}

_JOB: dict[JobCode, str] = {
    JobCode.NO_AUDIO: "The file has pictures or subtitles, and no sound.",
    JobCode.NOT_MEDIA: "No audio or video format is recognised, or nothing of it can be decoded.",
    JobCode.EMPTY_INPUT: "No bytes, or a sound track without a sample.",
    JobCode.ENCRYPTED: "Protected by DRM; remove the protection first.",
    JobCode.PLAYLIST_REFUSED: "A playlist, or something else that names other files; send the recording itself.",
    JobCode.SOURCE_REFUSED: "A WhisperJob made with kubectl names an object that is not its own nor imported.",
    JobCode.TRACK_UNAVAILABLE: "`track` asks for an audio track that the file does not have or that cannot be decoded; "
    "the sentence lists the tracks.",
    JobCode.DURATION_LIMIT: "Longer than it may be, as decoded.",
    JobCode.DISK_LIMIT: "Decoding it needs more scratch space than a worker has.",
    JobCode.RESOURCE_LIMIT: "Opening or decoding it needs far more processor time or memory than a recording does.",
    JobCode.START_DEADLINE: "No worker could be started in time; submit again when there is room.",
    JobCode.RUN_DEADLINE: "The worker reached its run deadline.",
    JobCode.INFRASTRUCTURE: "Workers failed again and again, through no fault of the recording; submit again.",
    JobCode.MODEL_UNAVAILABLE: "The diarizer's model is missing or not permitted; its operator must provide it.",
    JobCode.CANCELLED: "The job was cancelled.",
    JobCode.INTERNAL: "A fault of the service; its log has more.",
}


def error_reference() -> str:
    """Returns the text of the page."""
    http = [f"| `{code}` | {HTTP_STATUS[code]} | {_HTTP[code]} |" for code in sorted(HttpCode, key=_by_status)]
    jobs = [f"| `{code}` | {_JOB[code]} |" for code in JobCode]
    warnings = [f"| `{code}` | {WARNING_SENTENCES[code]} |" for code in WarningCode]
    request_warnings = [f"| `{code}` | {_REQUEST[code]} |" for code in RequestWarningCode]
    lines = [
        _HEAD,
        "## Of requests",
        "",
        "| code | status | |",
        "| --- | --- | --- |",
        *http,
        "",
        "## Of jobs",
        "",
        "`errorCode` of a job whose `status` is `error`. Codes about the recording are final.",
        "",
        "| code | |",
        "| --- | --- |",
        *jobs,
        "",
        "## Warnings",
        "",
        "In the `warnings` of a job that was processed nevertheless.",
        "",
        "| code | |",
        "| --- | --- |",
        *warnings,
        "",
        "## Warnings about a request",
        "",
        "A request with a name that the service does not know is served, and its answer warns: in the header",
        '`Warning`, and in `warnings`, a list of `{"code": "…", "message": "<one sentence for a person>"}`, of every',
        "JSON answer but that of `GET /job/{jobId}`, whose `warnings` are about the recording.",
        "",
        "| code | |",
        "| --- | --- |",
        *request_warnings,
    ]
    return "\n".join(lines) + "\n"


def _by_status(code: HttpCode) -> tuple[int, str]:
    return HTTP_STATUS[code], code
