"""The programs that the optimizer runs, and the place where it runs them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from whisperjob.model.machine_faults import MachineFault, MachineFaultError
from whisperjob.worker.cores import available_cores
from whisperjob.worker.processes.deadline import Deadline
from whisperjob.worker.processes.process_group import ProcessGroup
from whisperjob.worker.processes.runner import Runner, find_ffmpeg


@dataclass(frozen=True, slots=True)
class Tools:
    """The paths of the programs, how many run at a time, and the group that they belong to."""

    ffmpeg: str
    ffprobe: str
    cores: int = 1
    processes: ProcessGroup = field(default_factory=ProcessGroup)

    @classmethod
    def find(cls, ffmpeg: str = "ffmpeg", *, processes: ProcessGroup | None = None) -> Self:
        """Raises MachineFaultError if ffmpeg, or ffprobe beside it, is not there."""
        path = find_ffmpeg(ffmpeg)
        ffprobe = path.with_name(path.name.replace("ffmpeg", "ffprobe"))
        if not ffprobe.exists():
            raise MachineFaultError(MachineFault.NO_PROGRAM, f"ffprobe was not found beside {path}")
        return cls(str(path), str(ffprobe), available_cores(), processes or ProcessGroup())


@dataclass(frozen=True, slots=True)
class Workspace:
    """What the steps of one attempt work with: the tools, a scratch folder, and the runner of programs in it."""

    tools: Tools
    scratch: Path
    runner: Runner

    @classmethod
    def create(cls, tools: Tools, scratch: Path, deadline: Deadline, source: Path) -> Self:
        """Builds a workspace in an existing folder, for a source that may lie elsewhere. Both paths are absolute."""
        return cls(tools, scratch, Runner(tools.processes, scratch, deadline, inputs=(source,)))
