"""`whisperjob transcribe`: what is asked for, made into options; the work is done in `transcribing`."""

from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import partial
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    connection,
    reported_errors,
    settings,
)
from whisperjob_client.errors import UsageError
from whisperjob_client.transcript.writers import Format

if TYPE_CHECKING:
    from whisperjob_cli.display import Display
    from whisperjob_client.async_client import AsyncClient
    from whisperjob_client.speech.rate_limits import Limits
    from whisperjob_client.speech.recogniser import Recogniser, SpeechOptions
    from whisperjob_client.transcribing import Outcome, TranscribeOptions, Transcribing, Using, Work

GROQ_MODEL = "whisper-large-v3"
OTHER_MODEL = "whisper-1"


@dataclass(frozen=True, kw_only=True)
class TranscribeArguments:
    """What a user asked of a transcription, wherever it is done; its fields are the command's options."""

    file: InputFile
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file or a folder.  Default: beside FILE, with the format's ending."),
    ] = None
    formats: Annotated[
        list[Format] | None, typer.Option("--format", "-f", help="May be given often.  Default: -o's ending, or txt.")
    ] = None
    language: Annotated[str | None, typer.Option("--language", help="Of the speech (en, de, …); better told.")] = None
    prompt: Annotated[str | None, typer.Option("--prompt", help="Names and words the recogniser should know.")] = None
    diarize: Annotated[bool, typer.Option("--diarize", help="Find out who speaks; so do the next two.")] = False
    num_speakers: NumSpeakers = None
    speaker_name: Annotated[
        list[str] | None, typer.Option("--speaker-name", help="What to call them, in the order they first speak.")
    ] = None
    drop_doubtful: Annotated[
        bool, typer.Option("--drop-doubtful", help="Leave out what was probably made up in silence.")
    ] = False
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
        int | None, typer.Option(min=0, help="The speech account's limit; 0: none.  Default: Groq's base tier, 20.")
    ] = None
    audio_seconds_per_hour: Annotated[
        float | None, typer.Option(min=0, help="The same; 0: none.  Default: Groq's base tier, 7200.")
    ] = None
    parallel: Annotated[int, typer.Option(min=1, max=32, help="Chunks recognised side by side.")] = 4
    asr_timeout: Annotated[float, typer.Option(min=1, help="For one chunk's answer, seconds.")] = 1800.0
    profile: ProfileChoice = None
    max_chunk_seconds: ChunkSeconds = None
    as_json: AsJson = False

    @property
    def wants_speakers(self) -> bool:
        return self.diarize or bool(self.num_speakers) or bool(self.speaker_name)


def with_options_from(kind: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Lets typer read a dataclass's fields as options of a command that takes them all as `**asked`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        options = [
            Parameter(
                option.name,
                Parameter.KEYWORD_ONLY,
                default=Parameter.empty if option.default is MISSING else option.default,
                annotation=option.type,
            )
            for option in fields(kind)
        ]
        own = [one.replace(kind=Parameter.KEYWORD_ONLY) for one in signature(command).parameters.values()]
        taken = [*options, *(one for one in own if one.name != "asked")]
        command.__signature__ = Signature(taken, return_annotation=None)  # type: ignore[attr-defined]  # PEP 362
        return command

    return decorate


@with_options_from(TranscribeArguments)
def transcribe(server: Server = None, api_key: ApiKey = None, **asked: Any) -> None:
    """Make FILE a transcript: optimise it on the server, recognise its chunks, say who speaks, write files.

    Recognised chunks are kept in a folder `<name>.whisperjob` beside the output: broken off and started again, it
    sends none of them twice. It may be deleted once the transcript is there.
    """
    wish = TranscribeArguments(**asked)

    async def with_server(work: "Work") -> "Outcome":
        from whisperjob_client.async_client import AsyncClient

        where = connection(server, api_key)
        async with AsyncClient(where) as client:
            return await work(client, where.url)

    with reported_errors(wish.as_json):
        run_transcription(wish, lambda _: with_server)


def run_transcription(asked: TranscribeArguments, using: "Callable[[Path], Using]") -> None:
    """Transcribes, writes the files, names them. `using` is told where work is kept. Raises ClientError."""
    import asyncio
    import json

    from whisperjob_cli.display import Display

    targets = plan_files(asked.file, asked.output, asked.formats or [])
    if asked.file in targets.values():
        raise UsageError(f"{asked.file} would be overwritten; say by -o where the transcript goes.")
    options = _options(asked)
    kept_in = next(iter(targets.values())).with_suffix(".whisperjob")
    with Display(quiet=asked.as_json) as display:

        async def work(client: "AsyncClient", server: str) -> "Outcome":
            recogniser = partial(_recogniser, options.speech, asked.asr_api_key, asked.asr_timeout)
            return await _transcribe(client, server, recogniser, options, asked.file, kept_in, display)

        async def whole() -> "Outcome":
            return await using(kept_in)(work)

        outcome = asyncio.run(whole())
    _write(outcome, targets, asked.file.name, asked.drop_doubtful)
    files = {str(format_): str(target) for format_, target in targets.items()}
    if asked.as_json:
        typer.echo(json.dumps({"jobId": outcome.job.job_id, "files": files, "notes": display.notes}))
    else:
        typer.echo("\n".join(files.values()))


def _options(asked: TranscribeArguments) -> "TranscribeOptions":
    from whisperjob_client.speech.recogniser import SpeechOptions
    from whisperjob_client.transcribing import TranscribeOptions
    from whisperjob_client.uploading import UploadOptions

    config = settings().asr
    url = asked.asr_url or config.url
    return TranscribeOptions(
        speech=SpeechOptions(
            model=asked.model or config.model or (OTHER_MODEL if url else GROQ_MODEL),
            language=asked.language,
            prompt=asked.prompt,
            endpoint=url or "groq",
        ),
        upload=UploadOptions(asked.profile.value if asked.profile else None, asked.max_chunk_seconds),
        limits=_limits(url, config, asked.requests_per_minute, asked.audio_seconds_per_hour),
        parallel=asked.parallel,
        diarize=asked.wants_speakers,
        num_speakers=asked.num_speakers or None,
        names=tuple(asked.speaker_name or ()),
    )


def plan_files(file: Path, output: Path | None, formats: list[Format]) -> dict[Format, Path]:
    """Where each format goes. Raises UsageError where that says two things at once."""
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


def _limits(url: str | None, config: AsrConfig, requests: int | None, audio_seconds: float | None) -> "Limits":
    """Groq's base tier, unless told otherwise; an endpoint of one's own has no limits but those told."""
    from whisperjob_client.speech.rate_limits import UNLIMITED, Limits

    default = UNLIMITED if url else Limits()
    requests = config.requests_per_minute if requests is None else requests
    audio_seconds = config.audio_seconds_per_hour if audio_seconds is None else audio_seconds
    return Limits(
        default.requests_per_minute if requests is None else requests or None,
        default.audio_seconds_per_hour if audio_seconds is None else audio_seconds or None,
    )


async def _transcribe(
    client: "AsyncClient",
    server: str,
    recogniser: Callable[[], "Recogniser"],
    options: "TranscribeOptions",
    file: Path,
    kept_in: Path,
    display: "Display",
) -> "Outcome":
    import asyncio

    from whisperjob_client.speech.recognising import StoppedError
    from whisperjob_client.transcribing import Transcribing

    work = Transcribing(client, server, recogniser, options, display)
    _stop_on_signals(work, display)
    try:
        return await work.run(file, kept_in)
    except asyncio.CancelledError:
        raise StoppedError("Interrupted; what was recognised so far is kept.") from None


def _recogniser(options: "SpeechOptions", api_key: str | None, timeout_seconds: float) -> "Recogniser":
    if options.endpoint != "groq":
        from whisperjob_client.speech.openai_api import OpenAiRecogniser

        return OpenAiRecogniser(options, api_key, timeout_seconds)
    try:
        from whisperjob_client.speech.groq_sdk import GroqRecogniser
    except ImportError:
        raise UsageError("The package `groq` is missing: pip install 'whisperjob[client]'.") from None
    return GroqRecogniser(options, timeout_seconds)


def _stop_on_signals(work: "Transcribing", display: "Display") -> None:
    """The first signal lets answers in flight arrive, for they are paid for; the second does not."""
    import asyncio
    import contextlib
    import signal

    loop, whole = asyncio.get_running_loop(), asyncio.current_task()
    told_before = False

    def stop() -> None:
        nonlocal told_before
        in_flight = 0 if told_before else work.stop()
        told_before = True
        if in_flight:
            display.say(f"Stopping when what is in flight ({in_flight}) was answered; interrupt again to leave it.")
        elif whole is not None:
            whole.cancel()

    with contextlib.suppress(NotImplementedError):
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)


def _write(outcome: "Outcome", targets: dict[Format, Path], title: str, drop_doubtful: bool) -> None:
    from whisperjob_client.checkpoint import write_atomically
    from whisperjob_client.transcript.writers import write

    transcript = outcome.transcript.without_doubtful() if drop_doubtful else outcome.transcript
    for format_, target in targets.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, write(transcript, format_, title).encode())
