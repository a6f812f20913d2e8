"""`whisperjob transcribe`: its options. `transcribe_run` runs it; `whisperjob_client.transcription` does the work."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whisperjob_cli.config import AsrConfig
from whisperjob_cli.input_files import find_recordings
from whisperjob_cli.options import (
    ApiKey,
    AsJson,
    ChunkSeconds,
    InputFiles,
    Multichannel,
    NumSpeakers,
    ProfileChoice,
    Server,
    TrackChoice,
    TranscriptFormats,
    build_connection,
    expand_options,
    load_settings,
    output_option,
    reported_errors,
)
from whisperjob_cli.output_files import STANDARD_OUTPUT, choose_output, parse_formats
from whisperjob_client.errors import UsageError
from whisperjob_client.speech.rate_limits import BASE_TIER, UNLIMITED, Booking, Limits
from whisperjob_client.transcript.formats import Format, check_formats

if TYPE_CHECKING:
    from whisperjob_cli.display import Display
    from whisperjob_client.async_client import AsyncClient
    from whisperjob_client.speech.recogniser import Recogniser, SpeechOptions
    from whisperjob_client.transcription.options import TranscribeOptions
    from whisperjob_client.transcription.transcriber import ClientTask, ServerRunner, Transcription

GROQ_MODEL = "whisper-large-v3"
OTHER_MODEL = "whisper-1"


@dataclass(frozen=True, kw_only=True)
class TranscribeArguments:
    """The options of `transcribe` and of `local transcribe`."""

    files: InputFiles
    output: Annotated[str | None, output_option("beside each FILE, with the format's ending.")] = None
    formats: TranscriptFormats = None
    language: Annotated[
        str | None,
        typer.Option("--language", help="Language of the speech (en, de, …); recognition is better with it."),
    ] = None
    prompt: Annotated[str | None, typer.Option("--prompt", help="Names and words the recogniser should know.")] = None
    diarize: Annotated[
        bool, typer.Option("--diarize", help="Find out who speaks; implied by --num-speakers and --speaker-name.")
    ] = False
    num_speakers: NumSpeakers = None
    speakers_timeout: Annotated[
        float | None,
        typer.Option(
            "--speakers-timeout",
            min=0,
            metavar="SECONDS",
            help="When the words are there, wait this long for the speakers.  Default: until they are known.",
        ),
    ] = None
    speaker_name: Annotated[
        list[str] | None,
        typer.Option(
            "--speaker-name",
            help="Name of a speaker; repeat it in the order in which they first speak (or of channels).",
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
    track: TrackChoice = None
    multichannel: Multichannel = False
    as_json: AsJson = False

    @property
    def needs_diarizer(self) -> bool:
        """It is True if a model must find the speakers. If channels are speakers, none is needed."""
        return self.wants_speakers and not self.multichannel

    @property
    def wants_speakers(self) -> bool:
        """It is True if any option needs a diarization."""
        return self.diarize or bool(self.num_speakers) or bool(self.speaker_name)


@expand_options
def transcribe(arguments: TranscribeArguments, server: Server = None, api_key: ApiKey = None) -> None:
    """Make transcripts of recordings, with speaker names if you like.

    The server optimises each FILE, a speech recogniser recognises its chunks, and the server finds out who speaks.

    A folder is searched with all its subfolders, and a quoted glob is expanded; both stand for the recordings in
    them, by the ending of the name. Hidden files and links to folders are left out, and so are other files, which are
    listed. A file that is named is taken whatever its ending. `-` is standard input. After `--`, a name may begin
    with a dash. Two recordings never write to the same file: where names collide, the whole name of the recording is
    used (x.wav.txt).

    Recognised chunks are stored in a folder `<name>.whisperjob` beside the output, so that an interrupted run can be
    started again and sends none of them twice. The folder may be deleted once the transcript is there.
    """

    async def run_on_server(task: "ClientTask") -> "Transcription":
        from whisperjob_client.async_client import AsyncClient

        connection = build_connection(server, api_key)
        async with AsyncClient(connection) as client:
            return await task(client, connection.url)

    def cancel(job_id: str) -> None:
        from whisperjob_client.sync_client import Client

        with Client(build_connection(server, api_key)) as client:
            client.delete(job_id)

    with reported_errors(arguments.as_json):
        transcribe_files(arguments, lambda _: run_on_server, cancel)


def transcribe_files(
    arguments: TranscribeArguments,
    server_runner: "Callable[[Path], ServerRunner]",
    cancel: "Callable[[str], object] | None" = None,
) -> None:
    """Transcribes, writes the files, prints their names, and ends the program with the exit code if it is not 0.

    `server_runner` takes the checkpoint's folder and returns what runs the transcription with a server. `cancel` ends
    a job there; None where that server ends with this program. Raises ClientError.
    """
    found = find_recordings(arguments.files)
    output = choose_output(arguments.output, parse_formats(arguments.formats or []), found.recordings)
    check_formats(output.formats)
    if output.stream == STANDARD_OUTPUT and arguments.as_json:
        raise UsageError("The transcript and --json both go to standard output; give the transcript a file by -o.")
    options = _build_options(arguments)

    from whisperjob_cli.transcribe_run import TranscribeRun
    from whisperjob_client.transcription.transcriber import Transcriber

    account: set[Booking] = set()

    def build(
        client: "AsyncClient", name: str, watcher: "Display", on_words: "Callable[[Transcription], None]"
    ) -> Transcriber:
        recogniser = partial(_build_recogniser, options.speech, arguments.asr_api_key, arguments.asr_timeout)
        return Transcriber(client, name, recogniser, options, watcher, on_words=on_words, account=account)

    run = TranscribeRun(output, server_runner, build, _render, cancel=cancel, as_json=arguments.as_json)
    if code := run.run(found):
        sys.exit(code)


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
        upload=UploadOptions(
            arguments.profile,
            arguments.max_chunk_seconds,
            track=arguments.track,
            language=arguments.language,
            multichannel=arguments.multichannel or None,
        ),
        limits=_choose_limits(url, config, arguments.requests_per_minute, arguments.audio_seconds_per_hour),
        parallel=arguments.parallel,
        diarize=arguments.wants_speakers,
        speakers=SpeakerCount(arguments.num_speakers or None),
        names=tuple(arguments.speaker_name or ()),
        doubtful=doubtful[arguments.drop_doubtful],
        speakers_patience_seconds=arguments.speakers_timeout,
    )


def _choose_limits(url: str | None, config: AsrConfig, requests: int | None, audio_seconds: float | None) -> Limits:
    """Returns the limits of the options, else of the file, else Groq's base tier (other endpoints: none)."""
    default = UNLIMITED if url else BASE_TIER
    requests = config.requests_per_minute if requests is None else requests
    audio_seconds = config.audio_seconds_per_hour if audio_seconds is None else audio_seconds
    return Limits(
        default.requests_per_minute if requests is None else requests or None,
        default.audio_seconds_per_hour if audio_seconds is None else audio_seconds or None,
    )


def _build_recogniser(options: "SpeechOptions", api_key: str | None, timeout_seconds: float) -> "Recogniser":
    if options.endpoint != "groq":
        from whisperjob_client.speech.openai_api import OpenAiRecogniser

        return OpenAiRecogniser(options, api_key, timeout_seconds)
    try:
        from whisperjob_client.speech.groq_sdk import GroqRecogniser
    except ImportError:
        raise UsageError(f"The package `groq` is missing: {sys.executable} -m pip install groq") from None
    return GroqRecogniser(options, timeout_seconds)


def _render(transcription: "Transcription", format_: Format, title: str) -> bytes:
    from whisperjob_client.transcript.writers import encode

    return encode(transcription.transcript, format_, title)
