"""The commands that talk to a server. Heavy imports are inside them, so that `--help` and completion are quick."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from whisperjob_cli.exit_codes import EXIT_CODES
from whisperjob_cli.input_files import find_recordings
from whisperjob_cli.interruptions import interruption_offers, interruption_says
from whisperjob_cli.job_ids import resolve_job
from whisperjob_cli.options import (
    ApiKey,
    AsJson,
    AudioArguments,
    InputFiles,
    JobId,
    OutputFolder,
    Server,
    SpeakerArguments,
    Timeout,
    build_connection,
    expand_options,
    print_json,
    reported_errors,
)
from whisperjob_cli.terminal import echo, echo_json
from whisperjob_cli.transcribe import transcribe
from whisperjob_cli.transcript import transcript_app
from whisperjob_client.errors import UsageError
from whisperjob_client.models import JobState


def add_commands(app: typer.Typer) -> None:
    """Adds submit, status, wait, download, retry, diarize, trim, jobs, delete and transcribe to an app."""
    for command in (submit, status, wait, download, retry, diarize, trim, jobs, delete, transcribe):
        app.command(epilog=EXIT_CODES, rich_help_panel="With a server")(command)
    app.add_typer(transcript_app, name="transcript")


@expand_options
def submit(
    files: InputFiles,
    audio: AudioArguments,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="Sending again with the same key makes no second job.")
    ] = None,
    server: Server = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Upload recordings and print the jobs' ids.

    FILE is as for `transcribe`: files, folders, quoted globs or -. With --json every answer is a line of its own.
    """
    from whisperjob_cli.submit_run import submit_all
    from whisperjob_client import Client

    with reported_errors(as_json):
        found = find_recordings(files)
        if idempotency_key is not None and len(found.recordings) > 1:
            raise UsageError("An --idempotency-key is for one recording.")
        options = audio.to_upload_options()
        with Client(build_connection(server, api_key)) as client:
            if code := submit_all(client, found, options, idempotency_key, as_json=as_json):
                sys.exit(code)


def status(job: JobId, server: Server = None, api_key: ApiKey = None, as_json: AsJson = False) -> None:
    """Print how far a job is."""
    from whisperjob_cli.tables import print_job
    from whisperjob_client import Client

    with reported_errors(as_json), Client(build_connection(server, api_key)) as client:
        answer = client.job(resolve_job(client, job))
        print_json(answer) if as_json else print_job(answer)


def wait(
    job: JobId, timeout: Timeout = None, server: Server = None, api_key: ApiKey = None, as_json: AsJson = False
) -> None:
    """Wait until a job is completed (exit code 0) or failed (6).

    It goes on waiting while the server restarts. Ctrl-C offers to cancel the job; a second one leaves at once.
    """
    from whisperjob_cli.display import Display
    from whisperjob_cli.tables import print_job
    from whisperjob_client import Client, Patience

    with reported_errors(as_json), Client(build_connection(server, api_key)) as client:
        job_id = resolve_job(client, job)
        display = Display(quiet=as_json)
        display.unfinished_job = job_id
        with interruption_offers(lambda: display.unfinished_job, client.delete, as_json=as_json), display:
            completed = client.wait(job_id, on_change=display.working, patience=Patience(timeout))
        print_json(completed) if as_json else print_job(completed)


def download(
    job: JobId,
    output: OutputFolder = Path("out"),
    server: Server = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a completed job's MP3s.

    Files that are there already, whole, are not fetched again.
    """
    from whisperjob_cli.tables import download_chunks
    from whisperjob_client import Client, ConflictError
    from whisperjob_client.api.results import job_result

    with reported_errors(as_json), Client(build_connection(server, api_key)) as client:
        completed = job_result(client.job(resolve_job(client, job)))
        if completed.status != "completed":
            raise ConflictError(409, "not_completed", f"The job is {completed.status}; `whisperjob wait {job}` waits.")
        download_chunks(client, completed.chunks, output, as_json)


@expand_options
def diarize(
    job: JobId,
    speakers: SpeakerArguments,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Only start it.")] = False,
    rttm: Annotated[bool, typer.Option("--rttm", help="Print it as NIST's RTTM.")] = False,
    timeout: Timeout = None,
    server: Server = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Find out who speaks when in a completed job, and print it."""
    from dataclasses import asdict

    from whisperjob_cli.display import Display
    from whisperjob_cli.tables import describe_speakers
    from whisperjob_client import Client, Patience

    with reported_errors(as_json), Client(build_connection(server, api_key)) as client:
        job_id = resolve_job(client, job)
        started = client.diarize(job_id, **asdict(speakers.to_count()))
        Display(quiet=as_json).warn(started.warnings)
        if no_wait:
            print_json(started) if as_json else echo(started.message)
            return
        continues = "The diarization continues on the server; the same command waits for it again."
        with interruption_says(continues), Display(quiet=as_json) as display:
            result = client.wait_diarization(job_id, on_change=display.diarizing, patience=Patience(timeout))
            for note in result.notes:
                display.note(note)
        if as_json:
            echo_json(result.model_dump_json(by_alias=True, indent=2))
        else:
            echo(client.diarization_rttm(job_id) if rttm else describe_speakers(result), nl=False)


def retry(job: JobId, server: Server = None, api_key: ApiKey = None, as_json: AsJson = False) -> None:
    """Run a job again that ended with an error of the service.

    Its recording is still there, unless it was at fault itself. `whisperjob wait` waits for the job.
    """
    from whisperjob_cli.tables import print_job
    from whisperjob_client import Client

    with reported_errors(as_json), Client(build_connection(server, api_key)) as client:
        answer = client.retry(resolve_job(client, job))
        print_json(answer) if as_json else print_job(answer)


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
    from whisperjob_cli.display import Display
    from whisperjob_cli.tables import download_chunks
    from whisperjob_client import Client

    with reported_errors(as_json), Client(build_connection(server, api_key)) as client:
        trimmed = client.trim(resolve_job(client, job), max_seconds)
        Display(quiet=as_json).warn(trimmed.warnings)
        if output is not None:
            download_chunks(client, trimmed.chunks, output, as_json)
        elif as_json:
            print_json(trimmed)
        else:
            echo(trimmed.message or f"Trimmed to {max_seconds:g} s: {trimmed.total_chunks} file(s).")


def jobs(
    state: Annotated[JobState | None, typer.Option("--status", help="Only those in this state.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many, newest first.")] = 50,
    server: Server = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    from itertools import islice

    from whisperjob_cli.tables import print_jobs
    from whisperjob_client import Client
    from whisperjob_client.models import JobPage

    with reported_errors(as_json), Client(build_connection(server, api_key)) as client:
        newest = tuple(islice(client.jobs(state), limit))
        print_json(JobPage(jobs=newest)) if as_json else print_jobs(newest)


def delete(
    job: Annotated[list[str], typer.Argument(metavar="JOB", help="The jobs' ids, or as much of each as is unique.")],
    server: Server = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Delete jobs with all their files; running work is stopped."""
    from whisperjob_client import Client

    with reported_errors(as_json), Client(build_connection(server, api_key)) as client:
        for job_id in dict.fromkeys([resolve_job(client, text) for text in job]):  # all are clear before one is gone
            client.delete(job_id)
