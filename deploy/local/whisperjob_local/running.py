"""`whisperjob local run`: one file through a service of its own, over HTTP, from upload to download."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

from whisperjob_local.output import working_folder
from whisperjob_local.sending import Fetched, Watcher, send_file
from whisperjob_local.serve import on_stop_signals, run_on_loop
from whisperjob_local.service import Ready, run_service
from whisperjob_local.settings import ServiceSettings, make_settings


def run_file(file: Path, output: Path, data_dir: Path | None, form: dict[str, str], watcher: Watcher) -> Fetched:
    """Without a data folder one inside `output` serves, and goes. Raises what run_service and send_file raise, and
    asyncio.CancelledError on SIGINT and SIGTERM, with everything cleaned up."""
    output.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if data_dir is None:
            data_dir = stack.enter_context(working_folder(output))
        settings = make_settings(host="127.0.0.1", port=0, data_dir=data_dir)
        return run_on_loop(_run(settings, file, output, form, watcher))


async def _run(settings: ServiceSettings, file: Path, output: Path, form: dict[str, str], watcher: Watcher) -> Fetched:
    whole = asyncio.current_task()

    def stop() -> None:
        if whole is not None:
            whole.cancel()

    on_stop_signals(stop)

    async def body(ready: Ready) -> Fetched:
        return await send_file(ready.url, ready.api_key, file, output, form, watcher)

    return await run_service(settings, body)
