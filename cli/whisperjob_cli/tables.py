"""What the commands print for people."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from whisperjob_cli.display import Display
from whisperjob_cli.terminal import echo, echo_json, echo_name, print_table
from whisperjob_client.durations import clock
from whisperjob_client.job_warnings import describe_track, describe_warning
from whisperjob_client.models import Chunk, DiarizationResult, Job
from whisperjob_client.sync_client import Client

_MB = 1024 * 1024


def print_job(job: Job) -> None:
    echo(f"{job.job_id}  {job.status}  {job.original_filename}")
    if job.status in ("queued", "processing"):
        echo(f"  {(job.step or '').replace('_', ' ')}, {job.progress or 0} %")
    if job.error:
        echo(f"  {job.error} ({job.error_code})")
    if job.duration is not None:
        echo(f"  {clock(round(job.duration))} long, {job.original_size_mb} MB")
    for warning in job.warnings:
        echo(f"  Note: {describe_warning(warning, job.tracks)}")
    if len(job.tracks) > 1:
        for track in job.tracks:
            echo(f"  {'used' if track.used else 'not used'}: track {describe_track(track)}")
    for chunk in job.chunks:
        whose = "" if chunk.channel is None else f"channel {chunk.channel}, "
        echo(
            f"  {chunk.filename}  {chunk.size_mb} MB  {whose}from {clock(round(chunk.start_seconds))}, "
            f"{clock(round(chunk.duration_seconds))} long"
        )


def describe_speakers(result: DiarizationResult) -> str:
    """Returns lines: how long each speaker speaks, then who speaks when."""
    lines = [f"{speaker.id}  {clock(round(speaker.total_seconds))}" for speaker in result.speakers]
    lines += [f"{turn.start:10.2f} {turn.end:10.2f}  {turn.speaker}" for turn in result.segments]
    return "".join(f"{line}\n" for line in lines)


def print_jobs(jobs: Sequence[Job]) -> None:
    rows = []
    for job in jobs:
        progress = "" if job.progress is None else f"{job.progress} %"
        length = "" if job.duration is None else clock(round(job.duration))
        rows.append((job.job_id, job.status, progress, length, job.created_at[:19], job.original_filename))
    print_table(("JOB", "STATUS", "PROGRESS", "LENGTH", "CREATED", "FILE"), rows, cut="FILE")


def download_chunks(client: Client, chunks: Iterable[Chunk], folder: Path, as_json: bool) -> None:
    """Fetches files and prints their paths, one a line or as JSON."""
    import json

    files = []
    with Display(quiet=as_json) as display:
        for chunk in chunks:

            def received(done: int, chunk: Chunk = chunk) -> None:
                display.received(chunk.filename, done, chunk.size_mb * _MB)

            files.append(client.download(chunk, folder, on_received=received))
    if as_json:
        echo_json(json.dumps({"files": [str(file) for file in files]}))
    else:
        for file in files:
            echo_name(file)
