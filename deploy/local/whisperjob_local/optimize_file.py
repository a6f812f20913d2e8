"""`whisperjob local optimize`: the worker's pipeline alone, in this process."""

import os
import signal
from pathlib import Path
from types import FrameType

from whisperjob.model.manifest import Manifest
from whisperjob.model.names import MANIFEST_NAME
from whisperjob.model.protocol import OptimizeOptions, WorkLimits
from whisperjob.worker.lifeline import Lifeline
from whisperjob.worker.processes.process_group import ProcessGroup
from whisperjob_local.exits import INTERRUPTED
from whisperjob_local.output import Working, remove_earlier, working_folder
from whisperjob_optimizer.pipeline import OnProgress, optimize
from whisperjob_optimizer.tools import Tools

_SHOW_CURSOR = b"\r\x1b[?25h"


def optimize_file(file: Path, output: Path, options: OptimizeOptions, on_progress: OnProgress) -> Manifest:
    """Puts the MP3s and, last, the manifest into `output`. To be called in the main thread.

    SIGINT and SIGTERM end the process at once, ffmpeg first, nothing half-written behind. Raises InputError,
    ProgramError, OSError.
    """
    processes = ProcessGroup()
    tools = Tools.find(processes=processes)
    with working_folder(output) as working:
        _end_on_signals(processes, working)
        scratch, results = working.path / "scratch", working.path / "results"
        scratch.mkdir()
        results.mkdir()
        manifest = optimize(file, file.name, results, scratch, options, WorkLimits(), on_progress, tools)
        remove_earlier(output)
        for chunk in manifest.chunks:
            (results / chunk.filename).replace(output / chunk.filename)
        listing = working.path / MANIFEST_NAME
        listing.write_text(manifest.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")
        listing.replace(output / MANIFEST_NAME)
    return manifest


def _end_on_signals(processes: ProcessGroup, working: Working) -> None:
    def clean_up() -> None:
        working.clean_up()
        if os.isatty(2):
            os.write(2, _SHOW_CURSOR)  # a progress bar hides it, and has no chance to show it again

    lifeline = Lifeline(processes, clean_up)

    def interrupted(_signal: int, _frame: FrameType | None) -> None:
        lifeline.end(INTERRUPTED, "Interrupted.")

    signal.signal(signal.SIGINT, interrupted)
    lifeline.on_terminate()
