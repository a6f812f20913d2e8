"""The options that commands share, and what they mean together."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from whisperjob_cli.config import KEY_VARIABLE, SERVER_VARIABLE, Config, load_config
from whisperjob_cli.exit_codes import INTERRUPTED, exit_code
from whisperjob_client.connection import DEFAULT_URL, Connection
from whisperjob_client.errors import ClientError
from whisperjob_client.models import Answer


class ProfileName(StrEnum):
    FULL = "full"
    LIGHT = "light"
    NONE = "none"


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
    typer.Option("--api-key", envvar=KEY_VARIABLE, help="Its key; better kept in the environment or in that file."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the server's answer as JSON; errors too, on stderr.")]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]
InputFile = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="The recording.")
]
OutputFolder = Annotated[Path, typer.Option("--output", "-o", file_okay=False, help="Folder for the MP3s.")]
ProfileChoice = Annotated[ProfileName | None, typer.Option("--profile", help="How much is done to the sound.")]
ChunkSeconds = Annotated[int | None, typer.Option("--max-chunk-seconds", min=60, help="Longest chunk, seconds.")]
RawFormat = Annotated[str | None, typer.Option("--raw-format", help="Sample layout of headerless PCM (s16le, …).")]
SampleRate = Annotated[int | None, typer.Option("--sample-rate", help="Sample rate of headerless PCM, Hz.")]
Channels = Annotated[int | None, typer.Option("--channels", help="Channels of headerless PCM.")]
NumSpeakers = Annotated[
    int | None, typer.Option("--num-speakers", min=0, help="Exactly so many speakers; 0 or absent: find out.")
]
Timeout = Annotated[
    float | None, typer.Option("--timeout", min=0, help="Give up after so many seconds; the job goes on.")
]


def settings() -> Config:
    return load_config(os.environ)


def connection(server: str | None, api_key: str | None) -> Connection:
    config = settings()
    return Connection(server or config.server or DEFAULT_URL, api_key or config.api_key)


def show(answer: Answer) -> None:
    typer.echo(answer.to_json(indent=2))


@contextmanager
def reported_errors(as_json: bool = False) -> Iterator[None]:
    """Turns an error into its sentence and its exit code; what is no ClientError is a bug and shows itself."""
    try:
        yield
    except ClientError as error:
        text = json.dumps({"error": error.message, "code": error.code}) if as_json else error.message
        typer.echo(text, err=True)
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(1)
    except OSError as error:
        typer.echo(f"{error.filename or 'The system'}: {error.strerror or error}.", err=True)
        sys.exit(1)
