"""The `whisperjob` command: the client's commands, `serve` and `local`. A command's heavy imports are inside it."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from whisperjob import __version__
from whisperjob.model.phase import Step
from whisperjob_cli.commands import add_commands
from whisperjob_cli.exit_codes import EXIT_CODES, LOCAL_EXIT_CODES, USAGE
from whisperjob_cli.input_files import take_file
from whisperjob_cli.keys import keys_app
from whisperjob_cli.local_transcribe import transcribe
from whisperjob_cli.options import (
    InputFile,
    LocalAudioArguments,
    OutputFolder,
    SpeakerArguments,
    TimelineFormat,
    expand_options,
)
from whisperjob_cli.plain_errors import plain_errors
from whisperjob_cli.standard_streams import accept_any_name
from whisperjob_cli.terminal import echo
from whisperjob_client.errors import UsageError

if TYPE_CHECKING:
    from whisperjob.model.manifest import Manifest
    from whisperjob_client import Job

app = typer.Typer(
    help="Turns any recording into small, loud, clean MP3s for speech recognition.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
local = typer.Typer(
    help="One file on this machine, without a service to look after.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(local, name="local")
app.add_typer(keys_app, name="keys")
add_commands(app)


def _print_version(requested: bool) -> None:
    if requested:
        echo(f"whisperjob {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(epilog=LOCAL_EXIT_CODES)
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65_535, help="0: any free port. Default: PORT or 8080.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder for all data. Default: DATA_DIR or ./data.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Jobs at once. Default: half the cores.")] = None,
) -> None:
    """Serve the HTTP API until interrupted.

    Everything it needs is in this one process.
    `whisperjob keys` makes and revokes keys while it runs. WHISPERJOB_API_KEYS holds more of them (comma-separated
    `key` or `tenant:key`). Without any, one is made and stored.
    """
    import logging

    with plain_errors():
        from whisperjob_local.serve import log_to_stderr
        from whisperjob_local.serve import serve as serve_until_stopped
        from whisperjob_local.service import RunningService
        from whisperjob_local.service_settings import make_settings

        log_to_stderr(logging.INFO)

        def announce(service: RunningService) -> None:
            echo(f"WhisperJob is ready at {service.url}  (docs: {service.url}/docs)")
            if service.key_file:
                echo(f"X-API-Key: {service.api_key}  (stored in {service.key_file})")
            else:
                echo(f"X-API-Key: as in {'WHISPERJOB_API_KEYS' if service.api_key else 'keys.json'}")
            sys.stdout.flush()

        serve_until_stopped(make_settings(host=host, port=port, data_dir=data_dir, workers=workers), announce)


@local.command(epilog=LOCAL_EXIT_CODES)
@expand_options
def run(
    file: InputFile,
    audio: LocalAudioArguments,
    output: OutputFolder = Path("out"),
    data_dir: Annotated[
        Path | None,
        typer.Option(
            file_okay=False,
            envvar=["WHISPERJOB_DATA_DIR", "DATA_DIR"],
            help="Data folder of the service. Default: a temporary one.",
        ),
    ] = None,
) -> None:
    """Make MP3s of FILE, by a service that is started for it alone."""
    import logging

    with plain_errors(), _opened(file) as recording:
        from whisperjob_cli.display import Display
        from whisperjob_local.run_file import run_file
        from whisperjob_local.serve import log_to_stderr

        log_to_stderr(logging.ERROR)
        with Display() as display:
            job = run_file(recording, output, data_dir, audio.to_upload_options(), display)
        _print_results(output, [chunk.filename for chunk in job.chunks], job.duration or 0.0, job)
        _print_next(file, output)


@local.command(epilog=LOCAL_EXIT_CODES)
@expand_options
def optimize(file: InputFile, output: OutputFolder, audio: LocalAudioArguments) -> None:
    """Make MP3s of FILE without a service.

    The MP3s and manifest.json go to the output folder.
    """
    with plain_errors(), _opened(file) as recording:
        from dataclasses import asdict

        from whisperjob.model.protocol import OptimizeOptions
        from whisperjob_cli.display import Display
        from whisperjob_client import Job
        from whisperjob_local.optimize_file import optimize_file

        options = OptimizeOptions.model_validate(asdict(audio))
        with Display() as display:

            def report(step: Step, percent: float, _seconds: float | None) -> None:
                display.working(Job(job_id="", status="processing", step=step, progress=int(percent)))

            manifest = optimize_file(recording, output, options, report)
            display.working(Job(job_id="", status="completed"))
        names = [chunk.filename for chunk in manifest.chunks]
        _print_results(output, names, manifest.duration_seconds, manifest)


@local.command(epilog=LOCAL_EXIT_CODES)
@expand_options
def diarize(
    file: InputFile,
    speakers: SpeakerArguments,
    model: Annotated[str | None, typer.Option(help="Default: DIARIZATION_MODEL, or `bundled`.")] = None,
    format_: Annotated[TimelineFormat, typer.Option("--format", help="Format of the result.")] = "text",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", dir_okay=False, help="A file, or - for standard output, which is the default."),
    ] = None,
) -> None:
    """Find out who speaks when in FILE, without a service.

    `make diarizer` builds what it needs.
    """
    with plain_errors(), _opened(file) as recording:
        from whisperjob.model.protocol import ProgressPost
        from whisperjob_cli.display import Display
        from whisperjob_cli.timeline_formats import format_timeline
        from whisperjob_client import Diarization
        from whisperjob_local.diarize_file import diarize_file, options_from_settings

        options = options_from_settings(speakers.num_speakers, speakers.min_speakers, speakers.max_speakers, model)
        with Display() as display:

            def report(post: ProgressPost) -> None:
                display.diarizing(Diarization(job_id="", status="running", progress=int(post.percent)))
                if post.note:
                    display.note(post.note)

            timeline = diarize_file(recording, options, report)
            display.diarizing(Diarization(job_id="", status="completed"))
        text = format_timeline(timeline, format_, recording)
        if output is None or str(output) == "-":
            echo(text, nl=False)
        else:
            output.write_text(text, encoding="utf-8")


local.command(epilog=EXIT_CODES)(transcribe)


def _print_results(output: Path, names: Sequence[str], duration_seconds: float, found: "Job | Manifest") -> None:
    from whisperjob_client.job_warnings import describe_warning

    for warning in found.warnings:
        echo(f"Note: {describe_warning(warning, found.tracks)}", err=True)
    for name in names:
        echo(f"{output / name}  {(output / name).stat().st_size / 1024 / 1024:.2f} MB")
    echo(f"{len(names)} file(s), {duration_seconds:.1f} s of audio")


def _print_next(file: str, output: Path) -> None:
    """Says where the results are and how to go on, on standard error: the results alone are on standard output."""
    import os
    import shlex
    import shutil

    program = os.path.abspath(sys.argv[0])  # noqa: PTH100 - resolve() would follow a link to the environment
    if program == shutil.which("whisperjob"):
        program = "whisperjob"
    elif Path(program).is_relative_to(Path.cwd()):
        program = str(Path(program).relative_to(Path.cwd()))
    source = file if file != "-" else "FILE"
    command = shlex.join([program, "local", "transcribe", *(["--"] if source.startswith("-") else []), source])
    echo(
        f"The MP3s and job.json, with the place of each in the recording, are in {output}. "
        f"The next step may be a transcript:\n  {command}\n"
        "It needs a speech recogniser: GROQ_API_KEY for Groq, or --asr-url for one of yours.",
        err=True,
    )


@contextmanager
def _opened(argument: str) -> Iterator[Path]:
    """Yields the file of a command that takes one, or a temporary copy of what a pipe brings. An argument that is no
    file ends the program with one sentence."""
    try:
        recording = take_file(argument)
    except UsageError as error:
        echo(str(error), err=True)
        sys.exit(USAGE)
    with TemporaryDirectory(prefix="whisperjob-") as folder, recording.readable(Path(folder)) as file:
        yield file


def main() -> None:
    """Runs the command. In an installation without the server's parts, commands that need them end with a sentence."""
    accept_any_name()
    try:
        app()
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("whisperjob"):
            raise
        package = error.name.partition(".")[0]
        echo(
            f"This needs the server's parts ({package} is missing): in the checkout, pip install '.[local]'.",
            err=True,
        )
        sys.exit(USAGE)
