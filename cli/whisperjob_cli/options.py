"""The options that commands share, with their limits and help; and settings, output and errors that they share."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

import typer
from typer.models import OptionInfo

from whisperjob_cli.config import KEY_VARIABLE, SERVER_VARIABLE, Config, error_sentence, load_config
from whisperjob_cli.exit_codes import FAILED, INTERRUPTED, exit_code
from whisperjob_cli.interruptions import termination_unwinds
from whisperjob_cli.output_files import KNOWN_FORMATS
from whisperjob_cli.standard_streams import discard_output
from whisperjob_cli.terminal import echo, echo_json
from whisperjob_client.connection import DEFAULT_URL, Connection
from whisperjob_client.errors import ClientError
from whisperjob_client.models import Answer
from whisperjob_client.options import Profile, SpeakerCount, UploadOptions

# The limits are the service's (`whisperjob.model.options`), which the client does not import; a test compares them.
MIN_CHUNK_SECONDS: Final = 60
MAX_CHUNK_SECONDS: Final = 86_400
MIN_SAMPLE_RATE: Final = 1000
MAX_SAMPLE_RATE: Final = 384_000
MAX_CHANNELS: Final = 32
MAX_SPEAKERS: Final = 64
MAX_CHOICE_LENGTH: Final = 64

RawFormat = Literal[
    "s16le",
    "s16be",
    "s24le",
    "s24be",
    "s32le",
    "s32be",
    "f32le",
    "f32be",
    "f64le",
    "f64be",
    "u8",
    "s8",
    "mulaw",
    "alaw",
]

TimelineFormat = Literal["text", "json", "rttm"]

Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        envvar=SERVER_VARIABLE,
        help=f"The server's URL.  Default: as in ~/.config/whisperjob/config.toml, else {DEFAULT_URL}.",
    ),
]
ApiKey = Annotated[
    str | None,
    typer.Option(
        "--api-key", envvar=KEY_VARIABLE, help="The server's key; better set in the environment or in config.toml."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the server's answer as JSON; errors too, on stderr.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, or as much of it as is unique.")]
InputFile = Annotated[str, typer.Argument(metavar="FILE", help="The recording, or - for standard input.")]
InputFiles = Annotated[
    list[str], typer.Argument(metavar="FILE", help="Recordings, folders, quoted globs, or - for standard input.")
]
OutputFolder = Annotated[Path, typer.Option("--output", "-o", file_okay=False, help="Folder for the MP3s.")]
ProfileChoice = Annotated[Profile | None, typer.Option("--profile", help="How much is done to the sound.")]
ChunkSeconds = Annotated[
    int | None,
    typer.Option(
        "--max-chunk-seconds", min=MIN_CHUNK_SECONDS, max=MAX_CHUNK_SECONDS, help="Longest chunk, in seconds."
    ),
]


def _check_length(value: str | None) -> str | None:
    if value is not None and not 0 < len(value) <= MAX_CHOICE_LENGTH:
        raise typer.BadParameter(f"it must have 1 to {MAX_CHOICE_LENGTH} characters.")
    return value


TrackChoice = Annotated[
    str | None,
    typer.Option(
        "--track",
        callback=_check_length,
        help="Which audio track: auto (the default), an index (the first is 0), a language (de, deu, German) or mix "
        "(all together).",
    ),
]
Multichannel = Annotated[
    bool,
    typer.Option("--multichannel", help="One person speaks on each channel; they are treated and transcribed apart."),
]
NumSpeakers = Annotated[
    int | None,
    typer.Option("--num-speakers", min=0, max=MAX_SPEAKERS, help="Exactly this many speakers; 0 or absent: find out."),
]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0, help="Give up after this many seconds; the job goes on.")
]

TranscriptFormats = Annotated[
    list[str] | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT,…",
        help=f"{KNOWN_FORMATS}; several with commas.  Default: the ending of -o, or txt.",
    ),
]


def output_option(default: str) -> OptionInfo:
    """Returns the option -o of commands that write transcripts. `default` says where to without it."""
    places = "A file, a folder (existing, or with a / at its end), or - for standard output."
    help_text = f"{places}  Default: {default}"
    return typer.Option("--output", "-o", metavar="PATH", help=help_text)  # type: ignore[no-any-return]  # typer returns Any


@dataclass(frozen=True, kw_only=True)
class AudioArguments:
    """How a recording is read and made into chunks, as a command's options."""

    profile: ProfileChoice = None
    max_chunk_seconds: ChunkSeconds = None
    raw_format: Annotated[
        RawFormat | None,
        typer.Option(
            "--raw-format",
            metavar="LAYOUT",
            help=f"Sample layout of headerless PCM: {', '.join(get_args(RawFormat))}.",
        ),
    ] = None
    sample_rate: Annotated[
        int | None,
        typer.Option(
            "--sample-rate", min=MIN_SAMPLE_RATE, max=MAX_SAMPLE_RATE, help="Sample rate of headerless PCM, in Hz."
        ),
    ] = None
    channels: Annotated[
        int | None,
        typer.Option("--channels", min=1, max=MAX_CHANNELS, help="Channels of headerless PCM, interleaved."),
    ] = None
    track: TrackChoice = None
    multichannel: Multichannel = False
    language: Annotated[
        str | None,
        typer.Option(
            "--language",
            callback=_check_length,
            help="Language of the speech; of several tracks, those in it come first.",
        ),
    ] = None

    def to_upload_options(self) -> UploadOptions:
        return UploadOptions(**asdict(self) | {"multichannel": self.multichannel or None})


@dataclass(frozen=True, kw_only=True)
class LocalAudioArguments(AudioArguments):
    """The same options where no server chooses the profile."""

    profile: ProfileChoice = "full"


@dataclass(frozen=True, kw_only=True)
class SpeakerArguments:
    """How many people speak, as a command's options."""

    num_speakers: NumSpeakers = None
    min_speakers: Annotated[
        int | None, typer.Option("--min-speakers", min=0, max=MAX_SPEAKERS, help="At least this many.")
    ] = None
    max_speakers: Annotated[
        int | None, typer.Option("--max-speakers", min=0, max=MAX_SPEAKERS, help="At most this many.")
    ] = None

    def to_count(self) -> SpeakerCount:
        return SpeakerCount(**asdict(self))


def expand_options(command: Callable[..., None]) -> Callable[..., None]:
    """Lets typer read the fields of a dataclass parameter as options of the command, in its place."""
    parameters: list[Parameter] = []
    groups: dict[str, type[Any]] = {}
    for parameter in signature(command).parameters.values():
        if is_dataclass(parameter.annotation) and isinstance(parameter.annotation, type):
            groups[parameter.name] = parameter.annotation
            parameters += _parameters(parameter.annotation)
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY))

    @wraps(command)
    def call(**values: Any) -> None:
        arguments = {
            name: kind(**{field.name: values.pop(field.name) for field in fields(kind)})
            for name, kind in groups.items()
        }
        command(**arguments, **values)

    call.__signature__ = Signature(parameters, return_annotation=None)  # type: ignore[attr-defined]  # PEP 362
    return call


def _parameters(kind: type[Any]) -> list[Parameter]:
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=field.type,
        )
        for field in fields(kind)
    ]


def load_settings() -> Config:
    return load_config(os.environ)


def build_connection(server: str | None, api_key: str | None) -> Connection:
    config = load_settings()
    return Connection(server or config.server or DEFAULT_URL, api_key or config.api_key)


def print_json(answer: Answer) -> None:
    echo_json(answer.to_json(indent=2))


@contextmanager
def reported_errors(as_json: bool = False) -> Iterator[None]:
    """Ends the program with an error's sentence and exit code. An error that is no ClientError is a bug and shows its
    traceback."""
    try:
        with termination_unwinds():
            yield
    except ClientError as error:
        if as_json:
            echo_json(json.dumps({"error": error.message, "code": error.code}), err=True)
        else:
            echo(error_sentence(error), err=True)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        discard_output()
        sys.exit(FAILED)
    except OSError as error:
        echo(describe_os_error(error), err=True)
        sys.exit(FAILED)


def describe_os_error(error: OSError) -> str:
    return f"{error.filename or 'The system'}: {error.strerror or error}."
