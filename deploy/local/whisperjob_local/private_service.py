"""A service for one transcription: its data lies beside the output and is removed when the transcript is complete."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from whisperjob.model.errors import WhisperJobError
from whisperjob_client import NO_RETRIES, AsyncClient, ClientError, Connection, JobFailedError, UsageError
from whisperjob_client.transcription.transcriber import ClientTask, ServerRunner, Transcription
from whisperjob_local.service import RunningService, run_service
from whisperjob_local.service_settings import ServiceSettings, make_settings
from whisperjob_local.startup import StartupError
from whisperjob_local.worker_programs import NO_DIARIZER_MESSAGE, find_diarizer

DATA_NAME: Final = "service"
"""Inside the checkpoint's folder. The job of an interrupted run stays there, and the next run continues with it."""

_SERVER_NAME: Final = "this machine"
"""The server's name in the checkpoint: its address changes with every run."""

_MAX_UPLOAD_BYTES: Final = 2**50
"""No limit in practice: the recording is on this disk already."""

_TIMEOUT_SECONDS: Final = 300.0
"""A slow disk may take long to store the end of a large upload."""


def build_private_service(checkpoint: Path, *, diarizes: bool) -> ServerRunner:
    """Returns a runner of client tasks with a service that is reachable from this machine alone.

    The data of the service lies inside the folder `checkpoint`. The runner raises UsageError where the service cannot
    start, or where a diarizer is needed and there is none, and ClientError where the service fails.
    """
    data = checkpoint / DATA_NAME

    async def run_task(task: ClientTask) -> Transcription:
        async def body(service: RunningService) -> Transcription:
            connection = Connection(service.url, str(service.api_key), NO_RETRIES, _TIMEOUT_SECONDS)
            async with AsyncClient(connection) as client:
                return await task(client, _SERVER_NAME)

        try:
            transcription = await run_service(_settings(data, diarizes=diarizes), body)
        except JobFailedError:
            shutil.rmtree(data, ignore_errors=True)
            raise
        except StartupError as error:
            raise UsageError(str(error)) from None
        except WhisperJobError as error:
            raise ClientError(str(error)) from None
        shutil.rmtree(data, ignore_errors=True)
        return transcription

    return run_task


def _settings(data: Path, *, diarizes: bool) -> ServiceSettings:
    settings = make_settings(host="127.0.0.1", port=0, data_dir=data).with_own_key()
    if diarizes and find_diarizer(settings.local.diarizer_python) is None:
        raise StartupError(NO_DIARIZER_MESSAGE)
    return replace(
        settings,
        api=settings.api.with_max_upload_bytes(_MAX_UPLOAD_BYTES),
        store=settings.store.without_s3(),
    )
