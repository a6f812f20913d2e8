"""`whisperjob local optimize`: the optimizer's pipeline alone, in this process."""

import os
import signal
from pathlib import Path
from types import FrameType

from whisperjob.files import atomic_write
from whisperjob.model.manifest import Manifest
from whisperjob.model.names import MANIFEST_NAME
from whisperjob.model.protocol import OptimizeOptions, WorkLimits
from whisperjob.worker.lifeline import Lifeline
from whisperjob.worker.processes import own_user
from whisperjob.worker.processes.process_group import ProcessGroup
from whisperjob_local.exits import INTERRUPTED
from whisperjob_local.output import WorkingFolder, create_working_folder, remove_previous_results
from whisperjob_optimizer.pipeline import optimize
from whisperjob_optimizer.reporting import OnProgress
from whisperjob_optimizer.tools import Tools

_SHOW_CURSOR = b"\r\x1b[?25h"


def optimize_file(file: Path, output: Path, options: OptimizeOptions, on_progress: OnProgress) -> Manifest:
    """Writes the MP3s and, last, the manifest into `output`. To be called in the main thread.

    SIGINT and SIGTERM end ffmpeg, then at once this process, and leave no incomplete file. Raises InputError,
    ProgramError, OSError.
    """
    processes = ProcessGroup()
    tools = Tools.find(processes=processes)
    with create_working_folder(output) as working_folder:
        _end_on_signals(processes, working_folder)
        scratch, results = working_folder.path / "scratch", working_folder.path / "results"
        scratch.mkdir()
        results.mkdir()
        manifest = optimize(file, file.name, results, scratch, options, WorkLimits(), on_progress, tools)
        remove_previous_results(output)
        for chunk in manifest.chunks:
            own_user.take_back(results / chunk.filename)
            (results / chunk.filename).replace(output / chunk.filename)
        with atomic_write(output / MANIFEST_NAME, staging=working_folder.path) as unfinished:
            unfinished.write_text(manifest.model_dump_json(by_alias=True, indent=2) + "\n", encoding="utf-8")
    return manifest


def _end_on_signals(processes: ProcessGroup, working_folder: WorkingFolder) -> None:
    def clean_up() -> None:
        working_folder.clean_up()
        if os.isatty(2):
            os.write(2, _SHOW_CURSOR)  # a progress bar has hidden it, and cannot show it again

    lifeline = Lifeline(processes, clean_up)

    def on_interrupt(_signal: int, _frame: FrameType | None) -> None:
        lifeline.end(INTERRUPTED, "Interrupted.")

    signal.signal(signal.SIGINT, on_interrupt)
    lifeline.on_terminate()
