"""What the commands print for people."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from whisperjob_cli.display import Display
from whisperjob_client.models import Chunk, DiarizationResult, Job
from whisperjob_client.sync_client import Client

_MB = 1024 * 1024
_PIPED_WIDTH = 400
"""Nobody's screen: every name is printed whole."""

_WARNINGS = {
    "input_truncated": "the file ends before its own header says; what is there was used",
    "silent": "there is nothing to be heard in it",
    "opposite_phase": "its channels cancel each other out; they were taken apart",
}


def describe(job: Job) -> None:
    typer.echo(f"{job.job_id}  {job.status}  {job.original_filename}")
    if job.status in ("queued", "processing"):
        typer.echo(f"  {(job.step or '').replace('_', ' ')}, {job.progress or 0} %")
    if job.error:
        typer.echo(f"  {job.error} ({job.error_code})")
    if job.duration is not None:
        typer.echo(f"  {clock(job.duration)} long, {job.original_size_mb} MB")
    for warning in job.warnings:
        typer.echo(f"  Note: {_WARNINGS.get(warning, warning)} ({warning})")
    for chunk in job.chunks:
        typer.echo(
            f"  {chunk.filename}  {chunk.size_mb} MB  from {clock(chunk.start_seconds)}, "
            f"{clock(chunk.duration_seconds)} long"
        )


def describe_speakers(result: DiarizationResult) -> str:
    """How long each speaks, then who speaks when: lines."""
    lines = [f"{speaker.id}  {clock(speaker.total_seconds)}" for speaker in result.speakers]
    lines += [f"{turn.start:10.2f} {turn.end:10.2f}  {turn.speaker}" for turn in result.segments]
    return "".join(f"{line}\n" for line in lines)


def rttm_lines(name: str, result: DiarizationResult) -> str:
    """What `GET /diarize/{jobId}?format=rttm` answers."""
    return "".join(
        f"SPEAKER {name} 1 {turn.start:.3f} {turn.end - turn.start:.3f} <NA> <NA> {turn.speaker} <NA> <NA>\n"
        for turn in result.segments
    )


def list_jobs(jobs: Sequence[Job]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("JOB", "STATUS", "PROGRESS", "LENGTH", "CREATED", "FILE"):
        table.add_column(name, no_wrap=True, overflow="ellipsis" if name == "FILE" else "fold")
    for job in jobs:
        progress = "" if job.progress is None else f"{job.progress} %"
        length = "" if job.duration is None else clock(job.duration)
        table.add_row(job.job_id, job.status, progress, length, job.created_at[:19], _plain(job.original_filename))
    console = Console()
    (console if console.is_terminal else Console(width=_PIPED_WIDTH)).print(table)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def fetch_all(client: Client, chunks: Iterable[Chunk], folder: Path, as_json: bool) -> None:
    """Fetches and lists files; as JSON a list of paths."""
    import json

    files = []
    with Display(quiet=as_json) as display:
        for chunk in chunks:

            def received(done: int, chunk: Chunk = chunk) -> None:
                display.received(chunk.filename, done, chunk.size_mb * _MB)

            files.append(client.download(chunk, folder, on_received=received))
    if as_json:
        typer.echo(json.dumps({"files": [str(file) for file in files]}))
    else:
        for file in files:
            typer.echo(str(file))


def clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
