"""The `whisperjob` command. Parses, calls, translates; what a command needs is imported when it runs."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from whisperjob import __version__
from whisperjob.model.errors import WhisperJobError
from whisperjob.model.options import MAX_CHUNK_SECONDS, MAX_SPEAKERS, MIN_CHUNK_SECONDS
from whisperjob.model.phase import Profile, RawFormat, Step
from whisperjob_cli.commands import commands
from whisperjob_cli.exit_codes import EXIT_CODES, USAGE
from whisperjob_cli.local_transcribe import transcribe
from whisperjob_local.exits import FAILED, INTERRUPTED


class TimelineFormat(StrEnum):
    TEXT = "text"
    JSON = "json"
    RTTM = "rttm"


_EXIT_CODES = "Exit codes: 0 done; 1 failed, one sentence on standard error says why; 2 wrong usage; 130 interrupted."

app = typer.Typer(
    help="Turns any recording into small, loud, clean MP3s for speech recognition.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
local = typer.Typer(help="One file on this machine, without a service to look after.", no_args_is_help=True)
app.add_typer(local, name="local")
commands(app)

ProfileOption = Annotated[Profile, typer.Option(help="How much is done to the sound.")]
ChunkSecondsOption = Annotated[
    int | None, typer.Option(min=MIN_CHUNK_SECONDS, max=MAX_CHUNK_SECONDS, help="Longest chunk, seconds.")
]
RawFormatOption = Annotated[RawFormat | None, typer.Option(help="Sample layout of headerless PCM.")]
SampleRateOption = Annotated[int | None, typer.Option(min=1000, max=384_000, help="Sample rate of headerless PCM, Hz.")]
ChannelsOption = Annotated[int | None, typer.Option(min=1, max=32, help="Channels of headerless PCM, interleaved.")]
FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="The recording.")
]
SpeakersOption = Annotated[
    int | None, typer.Option(min=0, max=MAX_SPEAKERS, help="Exactly so many; 0 or absent: find out.")
]
OutputOption = Annotated[Path, typer.Option("--output", "-o", file_okay=False, help="Folder for the MP3s.")]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"whisperjob {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which, and exit.")
    ] = False,
) -> None:
    pass


@app.command(epilog=_EXIT_CODES)
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65_535, help="0: any free. Default: PORT or 8080.")] = None,
    data_dir: Annotated[
        Path | None, typer.Option(file_okay=False, help="Everything kept. Default: DATA_DIR or ./data.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Jobs at a time. Default: half the cores.")] = None,
) -> None:
    """Serve the HTTP API, with everything it needs in this one process, until interrupted.

    WHISPERJOB_API_KEYS holds the keys (comma-separated `key` or `tenant:key`); without it one is made and kept.
    """
    import logging

    with _plain_errors():
        from whisperjob_local.serve import log_to_stderr
        from whisperjob_local.serve import serve as serve_until_told
        from whisperjob_local.service import RunningService
        from whisperjob_local.service_settings import make_settings

        log_to_stderr(logging.INFO)

        def announce(service: RunningService) -> None:
            typer.echo(f"WhisperJob is ready at {service.url}  (docs: {service.url}/docs)")
            made = f"{service.api_key}  (kept in {service.key_file})"
            typer.echo(f"X-API-Key: {made if service.key_file else 'as in WHISPERJOB_API_KEYS'}")
            sys.stdout.flush()

        serve_until_told(make_settings(host=host, port=port, data_dir=data_dir, workers=workers), announce)


@local.command(epilog=_EXIT_CODES)
def run(
    file: FileArgument,
    output: OutputOption = Path("out"),
    profile: ProfileOption = Profile.FULL,
    max_chunk_seconds: ChunkSecondsOption = None,
    raw_format: RawFormatOption = None,
    sample_rate: SampleRateOption = None,
    channels: ChannelsOption = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            envvar=["WHISPERJOB_DATA_DIR", "DATA_DIR"],
            help="Data folder of the service; without one a temporary one that goes.",
        ),
    ] = None,
) -> None:
    """Send FILE through a service started for it alone, over HTTP, and fetch the MP3s."""
    import logging

    with _plain_errors():
        from whisperjob_cli.display import Display
        from whisperjob_client import UploadOptions
        from whisperjob_local.run_file import run_file
        from whisperjob_local.serve import log_to_stderr

        log_to_stderr(logging.ERROR)
        options = UploadOptions(profile.value, max_chunk_seconds, raw_format, sample_rate, channels)
        with Display() as display:
            job = run_file(file, output, data_dir, options, display)
        _list_results(output, [chunk.filename for chunk in job.chunks], job.duration or 0.0, job.warnings)


@local.command(epilog=_EXIT_CODES)
def optimize(
    file: FileArgument,
    output: OutputOption,
    profile: ProfileOption = Profile.FULL,
    max_chunk_seconds: ChunkSecondsOption = None,
    raw_format: RawFormatOption = None,
    sample_rate: SampleRateOption = None,
    channels: ChannelsOption = None,
) -> None:
    """Run the pipeline on FILE right here, without a service: the MP3s and manifest.json go to the output folder."""
    with _plain_errors():
        from whisperjob.model.protocol import OptimizeOptions
        from whisperjob_cli.display import Display
        from whisperjob_client import Job
        from whisperjob_local.optimize_file import optimize_file

        options = OptimizeOptions(
            profile=profile,
            max_chunk_seconds=max_chunk_seconds,
            raw_format=raw_format,
            sample_rate=sample_rate,
            channels=channels,
        )
        with Display() as display:

            def report(step: Step, percent: float, _seconds: float | None) -> None:
                display.working(Job(job_id="", status="processing", step=step, progress=int(percent)))

            manifest = optimize_file(file, output, options, report)
            display.working(Job(job_id="", status="completed"))
        names = [chunk.filename for chunk in manifest.chunks]
        _list_results(output, names, manifest.duration_seconds, manifest.warnings)


@local.command(epilog=_EXIT_CODES)
def diarize(
    file: FileArgument,
    num_speakers: SpeakersOption = None,
    min_speakers: Annotated[int | None, typer.Option(min=0, max=MAX_SPEAKERS, help="At least so many.")] = None,
    max_speakers: Annotated[int | None, typer.Option(min=0, max=MAX_SPEAKERS, help="At most so many.")] = None,
    model: Annotated[str | None, typer.Option(help="Default: DIARIZATION_MODEL, or `bundled`.")] = None,
    form: Annotated[TimelineFormat, typer.Option("--format", help="How it is written.")] = TimelineFormat.TEXT,
    output: Annotated[Path | None, typer.Option("--output", "-o", dir_okay=False, help="Default: the screen.")] = None,
) -> None:
    """Find out who speaks when in FILE right here, without a service; `make diarizer` builds what it needs."""
    with _plain_errors():
        from whisperjob.model.protocol import ProgressPost
        from whisperjob_cli.display import Display
        from whisperjob_cli.timeline_formats import write_timeline
        from whisperjob_client import Diarization
        from whisperjob_local.diarize_file import diarize_file, options_from_settings

        options = options_from_settings(num_speakers, min_speakers, max_speakers, model)
        with Display() as display:

            def report(post: ProgressPost) -> None:
                display.diarizing(Diarization(job_id="", status="running", progress=int(post.percent)))
                if post.note:
                    display.note(post.note)

            timeline = diarize_file(file, options, report)
            display.diarizing(Diarization(job_id="", status="completed"))
        text = write_timeline(timeline, form.value, file)
        if output is None:
            typer.echo(text, nl=False)
        else:
            output.write_text(text, encoding="utf-8")


local.command(epilog=EXIT_CODES)(transcribe)


def _list_results(output: Path, names: Sequence[str], duration_seconds: float, warnings: Sequence[str]) -> None:
    for warning in warnings:
        typer.echo(f"Note: {warning}", err=True)
    for name in names:
        typer.echo(f"{output / name}  {(output / name).stat().st_size / 1024 / 1024:.2f} MB")
    typer.echo(f"{len(names)} file(s), {duration_seconds:.1f} s of audio")


@contextmanager
def _plain_errors() -> Iterator[None]:
    """What can go wrong outside this program's fault ends it with one sentence; the rest is a bug and shows itself."""
    from whisperjob_client import ClientError

    try:
        yield
    except (WhisperJobError, ClientError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'The system'}: {error.strerror or error}.")
    except _interruptions():
        typer.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)


def _interruptions() -> tuple[type[BaseException], ...]:
    """TranscribeArguments when something was raised; to import asyncio takes longer than the rest of this module."""
    import asyncio

    return KeyboardInterrupt, asyncio.CancelledError


def _fail(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    sys.exit(FAILED)


def main() -> None:
    """Of an installation without the server's parts, what needs them says so."""
    try:
        app()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("whisperjob"):
            raise
        typer.echo(
            f"This needs the server's parts ({error.name} is missing): pip install 'whisperjob[local]'.", err=True
        )
        sys.exit(USAGE)
