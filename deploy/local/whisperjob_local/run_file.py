"""`whisperjob local run`: one file through a service of its own, over HTTP, from upload to download."""

import asyncio
from pathlib import Path
from typing import Protocol

from whisperjob.serving.signals import on_stop_signals
from whisperjob_client import NO_RETRIES, AsyncClient, Connection, Job, UploadOptions
from whisperjob_local.output import JOB_NAME, create_working_folder, remove_previous_results
from whisperjob_local.serve import run_on_loop
from whisperjob_local.service import RunningService, run_service
from whisperjob_local.service_settings import ServiceSettings, make_settings

_TIMEOUT_SECONDS = 300.0
"""A slow disk may take long to store the end of a large upload."""


class ProgressDisplay(Protocol):
    """Shows the progress of the upload and of the job."""

    def uploaded(self, sent_bytes: int, total_bytes: int, /) -> None: ...

    def working(self, job: Job, /) -> None: ...


def run_file(file: Path, output: Path, data_dir: Path | None, options: UploadOptions, display: ProgressDisplay) -> Job:
    """Returns the completed job, with its chunks in `output`.

    Without a data folder the service uses one inside `output`, which is removed. Raises what run_service and the client
    raise, and asyncio.CancelledError on SIGINT and SIGTERM, after everything was cleaned up.
    """
    with create_working_folder(output) as working_folder:
        settings = make_settings(host="127.0.0.1", port=0, data_dir=data_dir or working_folder.path).with_own_key()
        return run_on_loop(_run(settings, file, output, options, display))


async def _run(
    settings: ServiceSettings, file: Path, output: Path, options: UploadOptions, display: ProgressDisplay
) -> Job:
    main_task = asyncio.current_task()

    def stop() -> None:
        if main_task is not None:
            main_task.cancel()

    on_stop_signals(stop)

    async def body(service: RunningService) -> Job:
        connection = Connection(service.url, str(service.api_key), NO_RETRIES, _TIMEOUT_SECONDS)
        async with AsyncClient(connection) as client:
            return await _send(client, file, output, options, display)

    return await run_service(settings, body)


async def _send(client: AsyncClient, file: Path, output: Path, options: UploadOptions, display: ProgressDisplay) -> Job:
    accepted = await client.submit(file, options, on_sent=display.uploaded)
    job = await client.wait(accepted.job_id, on_change=display.working)
    remove_previous_results(output)
    for chunk in job.chunks:
        await client.download(chunk, output)
    (output / JOB_NAME).write_text(job.to_json(indent=2) + "\n", encoding="utf-8")
    return job
