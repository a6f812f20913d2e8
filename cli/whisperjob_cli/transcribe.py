"""`whisperjob transcribe`: its options, and the files it writes. `whisperjob_client.transcription` does the work."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whisperjob_cli.config import AsrConfig
from whisperjob_cli.options import (
    ApiKey,
    AsJson,
    ChunkSeconds,
    InputFile,
    NumSpeakers,
    ProfileChoice,
    Server,
    build_connection,
    expand_options,
    load_settings,
    reported_errors,
)
from whisperjob_client.errors import UsageError
from whisperjob_client.speech.rate_limits import BASE_TIER, UNLIMITED, Limits
from whisperjob_client.transcript.formats import Format, check_formats

if TYPE_CHECKING:
    from whisperjob_cli.display import Display
    from whisperjob_client.async_client import AsyncClient
    from whisperjob_client.speech.recogniser import Recogniser, SpeechOptions
    from whisperjob_client.transcription.options import TranscribeOptions
    from whisperjob_client.transcription.transcriber import ClientTask, ServerRunner, Transcriber, Transcription

GROQ_MODEL = "whisper-large-v3"
OTHER_MODEL = "whisper-1"


@dataclass(frozen=True, kw_only=True)
class TranscribeArguments:
    """The options of `transcribe` and of `local transcribe`."""

    file: InputFile
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file or a folder.  Default: beside FILE, with the format's ending."),
    ] = None
    formats: Annotated[
        list[Format] | None, typer.Option("--format", "-f", help="May be repeated.  Default: the ending of -o, or txt.")
    ] = None
    language: Annotated[
        str | None,
        typer.Option("--language", help="Language of the speech (en, de, …); recognition is better with it."),
    ] = None
    prompt: Annotated[str | None, typer.Option("--prompt", help="Names and words the recogniser should know.")] = None
    diarize: Annotated[
        bool, typer.Option("--diarize", help="Find out who speaks; implied by --num-speakers and --speaker-name.")
    ] = False
    num_speakers: NumSpeakers = None
    speaker_name: Annotated[
        list[str] | None,
        typer.Option(
            "--speaker-name", help="Name of a speaker; repeat it in the order in which the speakers first speak."
        ),
    ] = None
    drop_doubtful: Annotated[
        bool | None,
        typer.Option(
            "--drop-doubtful/--keep-doubtful",
            help="Leave out what was probably made up in silence, or keep all of it, also of silent audio.  "
            "Default: leave out where nobody is heard.",
            show_default=False,
        ),
    ] = None
    asr_url: Annotated[
        str | None,
        typer.Option("--asr-url", envvar="WHISPERJOB_ASR_URL", help="An OpenAI-compatible recogniser.  Default: Groq."),
    ] = None
    asr_api_key: Annotated[
        str | None, typer.Option("--asr-api-key", envvar="WHISPERJOB_ASR_API_KEY", help="The key for --asr-url.")
    ] = None
    model: Annotated[
        str | None, typer.Option("--model", help=f"Default: {GROQ_MODEL}; with --asr-url {OTHER_MODEL}.")
    ] = None
    requests_per_minute: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="The speech account's limit, in requests per minute; 0: none.  "
            f"Default: Groq's base tier, {BASE_TIER.requests_per_minute}.",
        ),
    ] = None
    audio_seconds_per_hour: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="The speech account's limit, in seconds of audio per hour; 0: none.  "
            f"Default: Groq's base tier, {BASE_TIER.audio_seconds_per_hour:g}.",
        ),
    ] = None
    parallel: Annotated[int, typer.Option(min=1, max=32, help="Chunks recognised at once.")] = 4
    asr_timeout: Annotated[float, typer.Option(min=1, help="Longest wait for one chunk's answer, in seconds.")] = 1800.0
    profile: ProfileChoice = None
    max_chunk_seconds: ChunkSeconds = None
    as_json: AsJson = False

    @property
    def wants_speakers(self) -> bool:
        """It is True if any option needs a diarization."""
        return self.diarize or bool(self.num_speakers) or bool(self.speaker_name)


@expand_options
def transcribe(arguments: TranscribeArguments, server: Server = None, api_key: ApiKey = None) -> None:
    """Transcribe FILE: optimise it on the server, recognise its chunks, find out who speaks, write files.

    Recognised chunks are stored in a folder `<name>.whisperjob` beside the output, so that an interrupted run can be
    started again and sends none of them twice. The folder may be deleted once the transcript is there.
    """

    async def run_on_server(task: "ClientTask") -> "Transcription":
        from whisperjob_client.async_client import AsyncClient

        connection = build_connection(server, api_key)
        async with AsyncClient(connection) as client:
            return await task(client, connection.url)

    with reported_errors(arguments.as_json):
        transcribe_file(arguments, lambda _: run_on_server)


def transcribe_file(arguments: TranscribeArguments, server_runner: "Callable[[Path], ServerRunner]") -> None:
    """Transcribes, writes the files and prints their names. Raises ClientError.

    `server_runner` takes the checkpoint's folder and returns what runs the transcription with a server.
    """
    import asyncio
    import json

    from whisperjob_cli.display import Display

    targets = plan_files(arguments.file, arguments.output, arguments.formats or [])
    if arguments.file in targets.values():
        raise UsageError(f"{arguments.file} would be overwritten; choose another place for the transcript by -o.")
    check_formats(targets)
    options = _build_options(arguments)
    checkpoint_folder = next(iter(targets.values())).with_suffix(".whisperjob")
    with Display(quiet=arguments.as_json) as display:

        async def task(client: "AsyncClient", server: str) -> "Transcription":
            from whisperjob_client.transcription.transcriber import Transcriber

            build = partial(_build_recogniser, options.speech, arguments.asr_api_key, arguments.asr_timeout)
            transcriber = Transcriber(client, server, build, options, display)
            return await _run_until_stopped(transcriber, arguments.file, checkpoint_folder, display)

        async def run() -> "Transcription":
            return await server_runner(checkpoint_folder)(task)

        transcription = asyncio.run(run())
    _write_files(transcription, targets, arguments.file.name)
    files = {str(format_): str(target) for format_, target in targets.items()}
    if arguments.as_json:
        typer.echo(json.dumps({"jobId": transcription.job.job_id, "files": files, "notes": display.notes}))
    else:
        typer.echo("\n".join(files.values()))


def _build_options(arguments: TranscribeArguments) -> "TranscribeOptions":
    from whisperjob_client.options import SpeakerCount, UploadOptions
    from whisperjob_client.speech.recogniser import SpeechOptions
    from whisperjob_client.transcription.options import DoubtfulWords, TranscribeOptions

    doubtful = {None: DoubtfulWords.DROP_UNHEARD, True: DoubtfulWords.DROP, False: DoubtfulWords.KEEP}
    config = load_settings().asr
    url = arguments.asr_url or config.url
    return TranscribeOptions(
        speech=SpeechOptions(
            model=arguments.model or config.model or (OTHER_MODEL if url else GROQ_MODEL),
            language=arguments.language,
            prompt=arguments.prompt,
            endpoint=url or "groq",
        ),
        upload=UploadOptions(arguments.profile, arguments.max_chunk_seconds),
        limits=_choose_limits(url, config, arguments.requests_per_minute, arguments.audio_seconds_per_hour),
        parallel=arguments.parallel,
        diarize=arguments.wants_speakers,
        speakers=SpeakerCount(arguments.num_speakers or None),
        names=tuple(arguments.speaker_name or ()),
        doubtful=doubtful[arguments.drop_doubtful],
    )


def plan_files(file: Path, output: Path | None, formats: list[Format]) -> dict[Format, Path]:
    """Returns the file of each format. Raises UsageError if the ending of `output` contradicts the formats."""
    ending = output.suffix[1:].lower() if output is not None else ""
    known = Format(ending) if ending in list(Format) else None
    wanted = list(dict.fromkeys(formats or [known or Format.TXT]))
    if output is None or output.is_dir():
        base = file if output is None else output / file.name
        return {format_: base.with_suffix(f".{format_}") for format_ in wanted}
    if known is not None and known not in wanted:
        raise UsageError(f"{output} ends as {known}, but --format says {', '.join(wanted)}.")
    if len(wanted) == 1:
        return {wanted[0]: output}
    stem = output.with_suffix("") if known is not None else output
    return {format_: stem.with_name(f"{stem.name}.{format_}") for format_ in wanted}


def _choose_limits(url: str | None, config: AsrConfig, requests: int | None, audio_seconds: float | None) -> Limits:
    """Returns the limits of the options, else of the file, else Groq's base tier (other endpoints: none)."""
    default = UNLIMITED if url else BASE_TIER
    requests = config.requests_per_minute if requests is None else requests
    audio_seconds = config.audio_seconds_per_hour if audio_seconds is None else audio_seconds
    return Limits(
        default.requests_per_minute if requests is None else requests or None,
        default.audio_seconds_per_hour if audio_seconds is None else audio_seconds or None,
    )


async def _run_until_stopped(
    transcriber: "Transcriber", file: Path, checkpoint_folder: Path, display: "Display"
) -> "Transcription":
    import asyncio

    from whisperjob_client.speech.paced_recogniser import StoppedError

    _stop_on_signals(transcriber, display)
    try:
        return await transcriber.run(file, checkpoint_folder)
    except asyncio.CancelledError:
        raise StoppedError("Interrupted; what was recognised so far is stored.") from None


def _build_recogniser(options: "SpeechOptions", api_key: str | None, timeout_seconds: float) -> "Recogniser":
    if options.endpoint != "groq":
        from whisperjob_client.speech.openai_api import OpenAiRecogniser

        return OpenAiRecogniser(options, api_key, timeout_seconds)
    try:
        from whisperjob_client.speech.groq_sdk import GroqRecogniser
    except ImportError:
        raise UsageError("The package `groq` is missing: pip install 'whisperjob[client]'.") from None
    return GroqRecogniser(options, timeout_seconds)


def _stop_on_signals(transcriber: "Transcriber", display: "Display") -> None:
    """Makes the first SIGINT or SIGTERM wait for answers in flight, which are paid for, and the second one cancel."""
    import asyncio
    import contextlib
    import signal

    loop, run = asyncio.get_running_loop(), asyncio.current_task()
    stopping = False

    def stop() -> None:
        nonlocal stopping
        in_flight = 0 if stopping else transcriber.stop()
        stopping = True
        if in_flight:
            display.print(
                f"Waiting for answers that were already requested ({in_flight}). Press Ctrl-C again to stop now."
            )
        elif run is not None:
            run.cancel()

    with contextlib.suppress(NotImplementedError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)


def _write_files(transcription: "Transcription", targets: dict[Format, Path], title: str) -> None:
    from whisperjob_client.atomic_files import write_atomically
    from whisperjob_client.transcript.writers import encode

    for format_, target in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, encode(transcription.transcript, format_, title))
