"""Progress bars on standard error, one for each step; where that is no terminal, only the sentences for a log."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from whisperjob_client.durations import rough_duration
from whisperjob_client.models import Diarization, Job, RequestWarning


class _Amount(ProgressColumn):
    """The column with the amount done: bytes of transfers, minutes of audio, percent of work."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = DownloadColumn(binary_units=True)

    def render(self, task: Task) -> Text:
        match task.fields.get("unit"):
            case "bytes":
                return self._bytes.render(task)
            case "audio":
                whole = task.total or 0
                unit, length = ("s", 1) if whole < 120 else ("min", 60)
                return Text(f"{task.completed / length:.0f}/{whole / length:.0f} {unit} of audio")
            case _:
                return Text(f"{task.percentage:>3.0f} %" if task.total else "")


class Display:
    """Shows progress and notes; it is a `Watcher` of transcriptions. With `quiet` it prints nothing (for --json)."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description:<24}"),
            BarColumn(),
            _Amount(),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self.notes: list[str] = []

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def hashed(self, done_bytes: int, total_bytes: int) -> None:
        self._show("read", "reading", done_bytes, total_bytes, "bytes")

    def uploaded(self, sent_bytes: int, total_bytes: int) -> None:
        self._show("upload", "uploading", sent_bytes, total_bytes, "bytes")

    def received(self, name: str, done_bytes: int, approximate_bytes: float) -> None:
        self._show(f"download {name}", f"downloading {name}", done_bytes, max(approximate_bytes, done_bytes), "bytes")

    def working(self, job: Job) -> None:
        step = "optimised" if job.status == "completed" else (job.step or job.status).replace("_", " ")
        self._show("work", step, 100 if job.status == "completed" else (job.progress or 0), 100)

    def diarizing(self, diarization: Diarization) -> None:
        awaited = diarization.waiting_for
        done = 100 if diarization.status == "completed" else diarization.progress
        self._show("speakers", f"speakers: waits for {awaited}" if awaited else "speakers", done or 0, done and 100)

    def recognising(self, total_seconds: float, done_seconds: float) -> None:
        self._show("speech", "speech", done_seconds, total_seconds, "audio")

    def recognised(self, seconds: float) -> None:
        if "speech" in self._tasks:
            self._progress.update(self._tasks["speech"], advance=seconds)

    def waiting(self, seconds: float, reason: str) -> None:
        self.print(f"Waiting {rough_duration(seconds)} for {reason}.")

    def note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)
            self.print(f"Note: {sentence}")

    def warn(self, warnings: Iterable[RequestWarning]) -> None:
        """Shows what the service found odd about a request: it may be older than this program."""
        for warning in warnings:
            self.note(warning.message)

    def print(self, sentence: str) -> None:
        self._console.print(sentence, markup=False, soft_wrap=True)

    def _show(self, name: str, text: str, done: float, total: float | None, unit: str = "") -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(text, total=total, unit=unit)
        self._progress.update(self._tasks[name], description=text, completed=done, total=total)
