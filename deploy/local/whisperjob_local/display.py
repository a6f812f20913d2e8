"""Progress bars on standard error; on a pipe they are silent."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description:<20}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


class WorkDisplay:
    """One bar, with the name of the step that is being done."""

    def __init__(self) -> None:
        self._progress = _progress()
        self._work: TaskID | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def working(self, step: str, percent: float) -> None:
        if self._work is None:
            self._work = self._progress.add_task(step, total=100)
        self._progress.update(self._work, description=step.replace("_", " "), completed=percent)


class RunDisplay(WorkDisplay):
    """A bar for the upload before that."""

    def __init__(self, size_bytes: int) -> None:
        super().__init__()
        self._upload: TaskID | None = None
        self._size_bytes = max(size_bytes, 1)

    def uploaded(self, sent_bytes: int) -> None:
        if self._upload is None:
            self._upload = self._progress.add_task("upload", total=self._size_bytes)
        self._progress.update(self._upload, completed=sent_bytes)
