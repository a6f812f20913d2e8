"""The typed client of a WhisperJob server, and the merge of transcripts. It imports no part of the server.

from whisperjob_client import Client, Connection

with Client(Connection("http://127.0.0.1:8080", "the key")) as client:
    job = client.wait(client.submit(Path("talk.mp4")).job_id)
    files = [client.download(chunk, Path("out")) for chunk in job.chunks]

Every name is imported when it is first used, so that a command that needs no HTTP does not wait for its import.

`async_client` and `sync_client` are the clients; `api` decides what they send, retry and wait for; `transfer` has the
files on their way; `speech`, `transcript` and `transcription` make text of a recording.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whisperjob_client.api.polling import Patience
    from whisperjob_client.api.retrying import NO_RETRIES, RetryPolicy
    from whisperjob_client.async_client import AsyncClient
    from whisperjob_client.connection import Connection
    from whisperjob_client.errors import (
        ApiError,
        BadAnswerError,
        ClientError,
        ConflictError,
        DamagedDownloadError,
        DiarizationFailedError,
        DiarizationUnavailableError,
        JobFailedError,
        NotFoundError,
        SpeechError,
        StorageError,
        UnauthorizedError,
        UnavailableError,
        UnreachableError,
        UsageError,
        WaitTimeoutError,
    )
    from whisperjob_client.models import (
        Accepted,
        Chunk,
        Diarization,
        DiarizationResult,
        Health,
        Job,
        JobPage,
        RequestWarning,
        Stats,
        Trim,
    )
    from whisperjob_client.options import SpeakerCount, UploadOptions
    from whisperjob_client.sync_client import Client

__all__ = [
    "NO_RETRIES",
    "Accepted",
    "ApiError",
    "AsyncClient",
    "BadAnswerError",
    "Chunk",
    "Client",
    "ClientError",
    "ConflictError",
    "Connection",
    "DamagedDownloadError",
    "Diarization",
    "DiarizationFailedError",
    "DiarizationResult",
    "DiarizationUnavailableError",
    "Health",
    "Job",
    "JobFailedError",
    "JobPage",
    "NotFoundError",
    "Patience",
    "RequestWarning",
    "RetryPolicy",
    "SpeakerCount",
    "SpeechError",
    "Stats",
    "StorageError",
    "Trim",
    "UnauthorizedError",
    "UnavailableError",
    "UnreachableError",
    "UploadOptions",
    "UsageError",
    "WaitTimeoutError",
]

_MODULES = ("errors", "options", "models", "api.polling", "api.retrying", "connection", "sync_client", "async_client")
"""The modules that define the names, in the order of the search: those that take long to import come last."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            imported = import_module(f"{__name__}.{module}")
            if hasattr(imported, name):
                return getattr(imported, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
