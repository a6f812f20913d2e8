"""The whole service as one process: composes its parts and runs them."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from starlette.types import ASGIApp

from whisperjob.engine.event_log import LogEventRecorder
from whisperjob.engine.loop import Engine
from whisperjob.engine.work_app import create_work_app
from whisperjob.model.errors import RecordError, StoreError
from whisperjob.model.phase import Stage
from whisperjob.model.settings import ApiSettings, StoreSettings
from whisperjob.records.cache import RecordCache
from whisperjob.records.sqlite import SqliteRecords
from whisperjob.serving.listener import Listener
from whisperjob.serving.supervisor import TaskSupervisor
from whisperjob.stores.open import open_store
from whisperjob.stores.port import ObjectStore
from whisperjob_api.admission import UploadGate
from whisperjob_api.app import create_app
from whisperjob_api.http_protocol import build_protocol
from whisperjob_api.keys.key_folder import RECORDS_NAME, load_records
from whisperjob_api.keys.key_records import KeyFileError
from whisperjob_api.keys.key_source import KeySource
from whisperjob_api.services import ApiDependencies
from whisperjob_local.service_settings import ServiceSettings
from whisperjob_local.standby import StandbyWorker
from whisperjob_local.startup import (
    DataFolder,
    StartupError,
    bind,
    check_sandbox,
    ensure_api_key,
    find_ffmpeg,
    open_data_folder,
    to_url,
)
from whisperjob_local.subprocess_launcher import SubprocessLauncher
from whisperjob_local.worker_programs import (
    NO_DIARIZER_MESSAGE,
    build_programs,
    check_diarizer,
    find_diarizer,
)
from whisperjob_local.worker_space import WorkerSpace

if TYPE_CHECKING:
    from whisperjob_local.local_metrics import LocalMetrics

log = logging.getLogger(__name__)

T = TypeVar("T")

_WORK_GRACE = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class RunningService:
    """How to reach the service.

    `api_key` is one of its keys; None where all of them are in `keys.json`, which has their hashes only. `key_file` is
    where the key is stored; None where it comes from the settings.
    """

    url: str
    api_key: str | None
    key_file: Path | None


async def run_service(settings: ServiceSettings, body: Callable[[RunningService], Awaitable[T]]) -> T:
    """Runs the service while `body` runs, which starts when the service listens.

    When `body` has ended, no new request is accepted, those in flight may finish, and then the workers are stopped:
    their jobs run again at the next start. Raises StartupError, TaskEndedError, and what `body` raises.
    """
    local = settings.local
    async with AsyncExitStack() as stack:
        ffmpeg = find_ffmpeg(local.ffmpeg)
        if local.sandbox_is_required:
            check_sandbox(ffmpeg)
        folder = stack.enter_context(open_data_folder(local.data_dir))
        await asyncio.to_thread(folder.sweep_scratch)
        public = stack.enter_context(bind(local.host, local.port))
        internal = stack.enter_context(bind("127.0.0.1", 0))
        api_key, key_file, keys = _open_keys(settings.api, folder)
        records = await _open_records(folder.records)
        stack.push_async_callback(records.close)
        store = _open_store(settings.store, folder.objects)
        python = find_diarizer(local.diarizer_python)
        if python is not None and local.diarizer_python is not None:
            await asyncio.to_thread(check_diarizer, python)
        optimizers = local.workers or default_workers()
        programs = build_programs(
            to_url(internal),
            ffmpeg,
            optimizers=optimizers,
            diarizer=python,
            require_sandbox=local.sandbox_is_required,
        )
        upload_gate = UploadGate()
        space = WorkerSpace(
            folder.scratch,
            places=optimizers,
            max_scratch_bytes=settings.engine.max_scratch_bytes,
            max_duration=settings.engine.max_duration,
            uploading_bytes=lambda: upload_gate.missing_bytes if settings.store.s3_endpoint is None else 0,
        )
        launcher = SubprocessLauncher(
            programs,
            space,
            run_deadline=settings.engine.run_deadline,
            standby=StandbyWorker(Stage.OPTIMIZE, programs[Stage.OPTIMIZE], folder.scratch),
            weight_of=settings.engine.weight_of,
        )
        stack.push_async_callback(launcher.close)
        cache = RecordCache(records, resync_interval=settings.engine.resync_interval)
        metrics = stack.enter_context(_metrics(local.metrics_port))
        engine = Engine(
            records=records,
            cache=cache,
            store=store,
            launcher=launcher,
            settings=settings.engine,
            diarizes=python is not None,
            event_recorder=metrics.engine.counting(LogEventRecorder()) if metrics else None,
            on_pass=metrics.engine.record_pass if metrics else None,
        )
        work_listener = Listener(create_work_app(engine, launcher), internal, grace=_WORK_GRACE)
        dependencies = ApiDependencies(
            records=records,
            cache=cache,
            store=store,
            settings=settings.api,
            keys=keys,
            engine_ready=lambda: os.access(ffmpeg, os.X_OK),
            diarizes=python is not None,
            upload_gate=upload_gate,
            worker_disk=space,
            machine_problem=engine.machine.problem,
            no_diarizer_message=f"{NO_DIARIZER_MESSAGE} The service finds it when it starts.",
        )
        app = create_app(dependencies)
        served: ASGIApp = metrics.wrap(app, cache, engine, launcher, keys) if metrics else app
        front = Listener(served, public, grace=local.shutdown_grace, http=build_protocol(settings.api))
        tasks = TaskSupervisor()
        stack.push_async_callback(tasks.cancel)

        async def serve() -> T:
            await engine.prepare(alone=True)
            tasks.start("the worker protocol", work_listener.run())
            await work_listener.wait_until_listening()
            tasks.start("the engine", engine.run())
            if metrics:
                tasks.start("the metrics", metrics.listener.run())
            serving = tasks.start("the API", front.run())
            await front.wait_until_listening()
            launcher.prepare()
            result = await body(RunningService(to_url(public), api_key, key_file))
            upload_gate.close()
            tasks.release(serving)
            front.stop()
            await serving
            return result

        tasks.start("the record cache", cache.run())
        tasks.start("the keys", keys.run())
        return await tasks.guard(serve())


@contextmanager
def _metrics(port: int | None) -> Iterator["LocalMetrics | None"]:
    """Imports the metrics only where they are wanted, so that the service starts quickly."""
    if port is None:
        yield None
        return
    from whisperjob_local.local_metrics import LocalMetrics

    with bind("127.0.0.1", port) as bound:
        metrics = LocalMetrics(bound)
        log.info("/metrics is served on port %d of 127.0.0.1", metrics.listener.port)
        yield metrics


def _open_keys(settings: ApiSettings, data: DataFolder) -> tuple[str | None, Path | None, KeySource]:
    """Returns one key, the file that has it, and the source of all. Raises StartupError.

    Without a key in the settings and in `keys.json` one is made. That one is watched as well: its file can be removed.
    """
    folder = settings.keys_folder or data.path
    entries = [key.get_secret_value() for key in settings.api_keys]
    files, api_key, key_file = [folder / RECORDS_NAME], None, None
    try:
        if entries:
            api_key = entries[0].rpartition(":")[2]
        elif data.api_key.exists() or not load_records(folder).keys:
            key_file = data.api_key
            files.insert(0, key_file)
            api_key = ensure_api_key(key_file).rpartition(":")[2]
        return api_key, key_file, KeySource(entries, files, last_use_folder=folder)
    except KeyFileError as error:
        raise StartupError(str(error)) from error
    except ValueError as error:  # a key is malformed, or easy to guess
        raise StartupError(f"{error}.") from error


def default_workers() -> int:
    """Returns half the number of cores, at least 1: the ffmpegs of one worker use more than one core."""
    return max(1, len(os.sched_getaffinity(0)) // 2) if hasattr(os, "sched_getaffinity") else 1


async def _open_records(file: Path) -> SqliteRecords:
    try:
        return await SqliteRecords.open(file)
    except RecordError as error:
        raise StartupError(str(error)) from error


def _open_store(settings: StoreSettings, folder: Path) -> ObjectStore:
    try:
        return open_store(settings, folder)
    except (ValueError, StoreError) as error:
        raise StartupError(f"The object store cannot be used: {error}") from error
