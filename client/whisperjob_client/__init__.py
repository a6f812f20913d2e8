"""The typed client of a WhisperJob server, its command line, and the transcript merge. Imports no server part.

from whisperjob_client import Client, Connection

with Client(Connection("http://127.0.0.1:8080", "the key")) as client:
    job = client.wait(client.submit(Path("talk.mp4")).job_id)
    files = [client.download(chunk, Path("out")) for chunk in job.chunks]

Everything is imported when it is first used: a command that needs no HTTP does not wait for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
        Stats,
        Trim,
    )
    from whisperjob_client.polling import Patience
    from whisperjob_client.retrying import RetryPolicy
    from whisperjob_client.sync_client import Client
    from whisperjob_client.uploading import UploadOptions

__all__ = [
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
    "RetryPolicy",
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

_MODULES = ("errors", "models", "polling", "retrying", "connection", "uploading", "sync_client", "async_client")
"""The dearer to import, the later."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        for module in _MODULES:
            found = import_module(f"{__name__}.{module}")
            if hasattr(found, name):
                return getattr(found, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
