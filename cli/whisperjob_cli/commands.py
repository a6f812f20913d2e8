"""The commands that talk to a server. `commands(app)` adds them to any typer app; this module stays cheap to import."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from whisperjob_cli.exit_codes import EXIT_CODES
from whisperjob_cli.options import (
    ApiKey,
    AsJson,
    Channels,
    ChunkSeconds,
    InputFile,
    JobId,
    NumSpeakers,
    OutputFolder,
    ProfileChoice,
    RawFormat,
    SampleRate,
    Server,
    Timeout,
    connection,
    reported_errors,
    show,
)
from whisperjob_cli.transcribe import transcribe

JobStateName = Literal["queued", "processing", "completed", "error"]


def commands(app: typer.Typer) -> None:
    """Adds submit, status, wait, download, diarize, trim, jobs, delete and transcribe."""
    for command in (submit, status, wait, download, diarize, trim, jobs, delete, transcribe):
        app.command(epilog=EXIT_CODES, rich_help_panel="With a server")(command)


def submit(
    file: InputFile,
    profile: ProfileChoice = None,
    max_chunk_seconds: ChunkSeconds = None,
    raw_format: RawFormat = None,
    sample_rate: SampleRate = None,
    channels: Channels = None,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="Sending again with the same key makes no second job.")
    ] = None,
    server: Server = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Upload FILE and print the job's id."""
    from whisperjob_cli.display import Display
    from whisperjob_client import Client, UploadOptions

    options = UploadOptions(profile.value if profile else None, max_chunk_seconds, raw_format, sample_rate, channels)
    with reported_errors(as_json), Client(connection(server, api_key)) as client:
        with Display(quiet=as_json) as display:
            accepted = client.submit(file, options, idempotency_key=idempotency_key, on_sent=display.uploaded)
        show(accepted) if as_json else typer.echo(accepted.job_id)


def status(job: JobId, server: Server = None, api_key: ApiKey = None, as_json: AsJson = False) -> None:
    """Say how far a job is."""
    from whisperjob_cli.tables import describe
    from whisperjob_client import Client

    with reported_errors(as_json), Client(connection(server, api_key)) as client:
        found = client.job(job)
        show(found) if as_json else describe(found)


def wait(
    job: JobId, timeout: Timeout = None, server: Server = None, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Wait until a job is completed (0) or failed (6); a server that restarts is waited for."""
    from whisperjob_cli.display import Display
    from whisperjob_cli.tables import describe
    from whisperjob_client import Client, Patience

    with reported_errors(as_json), Client(connection(server, api_key)) as client:
        with Display(quiet=as_json) as display:
            found = client.wait(job, on_change=display.working, patience=Patience(timeout))
        show(found) if as_json else describe(found)


def download(
    job: JobId,
    output: OutputFolder = Path("out"),
    server: Server = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a completed job's MP3s; what is there already is not fetched again."""
    from whisperjob_cli.tables import fetch_all
    from whisperjob_client import Client, ConflictError
    from whisperjob_client.results import job_result

    with reported_errors(as_json), Client(connection(server, api_key)) as client:
        found = job_result(client.job(job))
        if found.status != "completed":
            raise ConflictError(409, "not_completed", f"The job is {found.status}; `whisperjob wait {job}` waits.")
        fetch_all(client, found.chunks, output, as_json)


def diarize(
    job: JobId,
    num_speakers: NumSpeakers = None,
    min_speakers: Annotated[int | None, typer.Option("--min-speakers", min=0, help="At least so many.")] = None,
    max_speakers: Annotated[int | None, typer.Option("--max-speakers", min=0, help="At most so many.")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Only start it.")] = False,
    rttm: Annotated[bool, typer.Option("--rttm", help="Print it as NIST's RTTM.")] = False,
    timeout: Timeout = None,
    server: Server = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Find out who speaks when in a completed job, and print it."""
    from whisperjob_cli.display import Display
    from whisperjob_cli.tables import describe_speakers, rttm_lines
    from whisperjob_client import Client, Patience

    with reported_errors(as_json), Client(connection(server, api_key)) as client:
        started = client.diarize(job, num_speakers, min_speakers=min_speakers, max_speakers=max_speakers)
        if no_wait:
            show(started) if as_json else typer.echo(started.message)
            return
        with Display(quiet=as_json) as display:
            result = client.wait_diarization(job, on_change=display.diarizing, patience=Patience(timeout))
            for note in result.notes:
                display.note(note)
        if as_json:
            typer.echo(result.model_dump_json(by_alias=True, indent=2))
        else:
            typer.echo(rttm_lines(job, result) if rttm else describe_speakers(result), nl=False)


def trim(
    job: JobId,
    max_seconds: Annotated[float, typer.Argument(metavar="SECONDS", min=0.001, help="Longest result.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", file_okay=False, help="Fetch the files into this folder.")
    ] = None,
    server: Server = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Cut a completed job's audio to its first SECONDS."""
    from whisperjob_cli.tables import fetch_all
    from whisperjob_client import Client

    with reported_errors(as_json), Client(connection(server, api_key)) as client:
        found = client.trim(job, max_seconds)
        if output is not None:
            fetch_all(client, found.chunks, output, as_json)
        elif as_json:
            show(found)
        else:
            typer.echo(found.message or f"Trimmed to {max_seconds:g} s: {found.total_chunks} file(s).")


def jobs(
    state: Annotated[JobStateName | None, typer.Option("--status", help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many, newest first.")] = 50,
    server: Server = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    from itertools import islice

    from whisperjob_cli.tables import list_jobs
    from whisperjob_client import Client
    from whisperjob_client.models import JobPage

    with reported_errors(as_json), Client(connection(server, api_key)) as client:
        found = tuple(islice(client.jobs(state), limit))
        show(JobPage(jobs=found)) if as_json else list_jobs(found)


def delete(
    job: Annotated[list[str], typer.Argument(metavar="JOB...", help="The jobs' ids.")],
    server: Server = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Delete jobs with everything of them; running work is stopped."""
    from whisperjob_client import Client

    with reported_errors(as_json), Client(connection(server, api_key)) as client:
        for job_id in job:
            client.delete(job_id)
