"""Progress on standard error: a bar for each step on a terminal, elsewhere a line now and then for a log."""

import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, Self

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
from rich.progress_bar import ProgressBar
from rich.text import Text

from whisperjob_cli.speech_progress import SpeechProgress
from whisperjob_client.durations import rough_duration
from whisperjob_client.models import Diarization, Job, RequestWarning
from whisperjob_client.plain_text import plain

FIRST_LINE_SECONDS: Final = 10.0
"""A log gets its first line of progress then, and each next one after twice that time, up to a minute."""

LONGEST_LINE_SECONDS: Final = 60.0
_LONGEST_STEP: Final = 80
"""In characters; the service names its steps."""

_REFRESH_SECONDS: Final = 0.25

_BYTES = DownloadColumn(binary_units=True)


class _Amount(ProgressColumn):
    """The column with the amount done: bytes of transfers, minutes of audio, percent of work."""

    def render(self, task: Task) -> Text:
        return _amount(task)


class _Bar(BarColumn):
    """A bar that shows that something happens where it is not known how much."""

    def render(self, task: Task) -> ProgressBar:
        bar = super().render(task)
        bar.pulse = bar.pulse or bool(task.fields.get("pulsing"))
        return bar


def _amount(task: Task) -> Text:
    match task.fields.get("unit"):
        case "bytes":
            return _BYTES.render(task)
        case "audio":
            whole = task.total or 0
            unit, length = ("s", 1) if whole < 120 else ("min", 60)
            detail = task.fields.get("detail", "")
            return Text(f"{task.completed / length:.0f}/{whole / length:.0f} {unit} of audio{detail}")
        case _:
            return Text(f"{task.percentage:>3.0f} %" if task.total else "")


class Display:
    """Shows progress and notes; it is a `Watcher` of transcriptions. With `quiet` it prints nothing (for --json)."""

    def __init__(self, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description:<24}", markup=False),
            _Bar(),
            _Amount(),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._latest: TaskID | None = None
        self._speech = SpeechProgress(clock)
        self._clock = clock
        self._next_line = clock() + FIRST_LINE_SECONDS
        self._line_interval = FIRST_LINE_SECONDS
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
        self.notes: list[str] = []
        self.unfinished_job: str | None = None
        """The job that the server works on."""

    def __enter__(self) -> Self:
        self._progress.start()
        self._ticker.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._ticker.join()
        self._progress.stop()

    def hashed(self, done_bytes: int, total_bytes: int) -> None:
        self._show("read", "reading", done_bytes, total_bytes, "bytes")

    def uploaded(self, sent_bytes: int, total_bytes: int) -> None:
        self._show("upload", "uploading", sent_bytes, total_bytes, "bytes")

    def received(self, name: str, done_bytes: int, approximate_bytes: float) -> None:
        self._show(f"download {name}", f"downloading {name}", done_bytes, max(approximate_bytes, done_bytes), "bytes")

    def working(self, job: Job) -> None:
        self.unfinished_job = None if job.ended else job.job_id
        step = "optimised" if job.status == "completed" else (job.step or job.status).replace("_", " ")
        self._show("work", step, 100 if job.status == "completed" else (job.progress or 0), 100)

    def diarizing(self, diarization: Diarization) -> None:
        awaited = diarization.waiting_for
        done = 100 if diarization.status == "completed" else diarization.progress
        self._show("speakers", f"speakers: waits for {awaited}" if awaited else "speakers", done or 0, done and 100)

    def recognising(self, total_seconds: float, done_seconds: float) -> None:
        self._speech.begin(done_seconds)
        self._show("speech", "speech", done_seconds, total_seconds, "audio")

    def sent(self, seconds: float) -> None:
        self._speech.sent(seconds)

    def returned(self, seconds: float) -> None:
        self._speech.returned(seconds)

    def recognised(self, seconds: float) -> None:
        self._speech.recognised(seconds)
        self.show_speech()

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
        self._console.print(plain(sentence), markup=False, soft_wrap=True)

    def line_if_due(self) -> None:
        """Prints how far the latest step is, unless a line was printed a short time ago."""
        now = self._clock()
        if self._latest is None or now < self._next_line:
            return
        task = self._progress.tasks[self._progress.task_ids.index(self._latest)]
        if task.finished:
            return
        self._line_interval = min(self._line_interval * 2, LONGEST_LINE_SECONDS)
        self._next_line = now + self._line_interval
        self.print(f"{task.description}: {_amount(task).plain.strip()}".rstrip(": "))

    def _tick(self) -> None:
        while not self._ended.wait(_REFRESH_SECONDS):
            self.show_speech()
            if not self._console.is_terminal:
                self.line_if_due()

    def show_speech(self) -> None:
        """Shows how far the speech recognition is by now."""
        if "speech" in self._tasks and not self._ended.is_set():
            self._progress.update(
                self._tasks["speech"],
                completed=self._speech.done_seconds(),
                pulsing=self._speech.is_unknown(),
                detail=self._speech.detail(),
            )

    def _show(self, name: str, text: str, done: float, total: float | None, unit: str = "") -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(plain(text, _LONGEST_STEP), total=total, unit=unit)
        self._latest = self._tasks[name]
        self._progress.update(self._latest, description=plain(text, _LONGEST_STEP), completed=done, total=total)
