"""A service for one transcription: brought up with its data beside the output, gone when the transcript is there."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Final

from whisperjob.model.errors import WhisperJobError
from whisperjob_client import AsyncClient, ClientError, Connection, JobFailedError, UsageError
from whisperjob_client.retrying import NO_RETRIES
from whisperjob_client.transcribing import Outcome, Using, Work
from whisperjob_local.service import Ready, run_service
from whisperjob_local.service_settings import ServiceSettings, make_settings
from whisperjob_local.startup import StartupError
from whisperjob_local.worker_programs import NO_DIARIZER, find_diarizer

DATA_NAME: Final = "service"
"""Inside the folder of kept answers; a run that was broken off left its job there, and the next goes on with it."""

_HERE: Final = "this machine"
"""The name under which jobs are kept: the address is another every time."""

_NO_LIMIT_BYTES: Final = 2**50
"""The recording is its owner's, and on this disk already."""

_TIMEOUT_SECONDS: Final = 300.0
"""A slow disk may take long to take in the last of a large upload."""


def private_service(kept_in: Path, *, diarizes: bool) -> Using:
    """Lets work be done with a service on this machine that nobody else can reach.

    Raises UsageError where it cannot start, or there is no diarizer and one is wanted; ClientError where it fails.
    """
    data = kept_in / DATA_NAME

    async def use(work: Work) -> Outcome:
        async def body(ready: Ready) -> Outcome:
            connection = Connection(ready.url, ready.api_key, NO_RETRIES, _TIMEOUT_SECONDS)
            async with AsyncClient(connection) as client:
                return await work(client, _HERE)

        try:
            outcome = await run_service(_settings(data, diarizes=diarizes), body)
        except JobFailedError:
            shutil.rmtree(data, ignore_errors=True)
            raise
        except StartupError as error:
            raise UsageError(str(error)) from None
        except WhisperJobError as error:
            raise ClientError(str(error)) from None
        shutil.rmtree(data, ignore_errors=True)
        return outcome

    return use


def _settings(data: Path, *, diarizes: bool) -> ServiceSettings:
    settings = make_settings(host="127.0.0.1", port=0, data_dir=data)
    if diarizes and find_diarizer(settings.local.diarizer_python) is None:
        raise StartupError(NO_DIARIZER)
    return replace(
        settings,
        api=settings.api.with_max_upload_bytes(_NO_LIMIT_BYTES),
        store=settings.store.without_s3(),
    )
