"""The server's address and key: from options, else the environment, else a file, else the default.

The file is `~/.config/whisperjob/config.toml` (`XDG_CONFIG_HOME` moves it, `WHISPERJOB_CONFIG` names another):

    server = "https://whisperjob.example.org"
    api_key = "the key"

    [asr]
    url = "http://127.0.0.1:8000/v1"     # without it: Groq
    model = "Systran/faster-whisper-large-v3"
    requests_per_minute = 20             # 0: no limit
    audio_seconds_per_hour = 7200        # 0: no limit
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from whisperjob_client.errors import ClientError, UnauthorizedError, UsageError

SERVER_VARIABLE: Final = "WHISPERJOB_URL"
KEY_VARIABLE: Final = "WHISPERJOB_API_KEY"
FILE_VARIABLE: Final = "WHISPERJOB_CONFIG"


class AsrConfig(BaseModel):
    """The file's table about the speech recogniser."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str | None = None
    model: str | None = None
    requests_per_minute: int | None = Field(default=None, ge=0)
    audio_seconds_per_hour: float | None = Field(default=None, ge=0)


class Config(BaseModel):
    """The file's content. An unknown name is an error, because it is probably a typing error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    server: str | None = None
    api_key: str | None = Field(default=None, repr=False)
    asr: AsrConfig = AsrConfig()


def config_file(environment: Mapping[str, str]) -> Path:
    """Returns the path of the file, which need not exist."""
    if named := environment.get(FILE_VARIABLE):
        return Path(named)
    base = environment.get("XDG_CONFIG_HOME") or (environment.get("APPDATA") if os.name == "nt" else None)
    return (Path(base) if base else Path.home() / ".config") / "whisperjob" / "config.toml"


def load_config(environment: Mapping[str, str]) -> Config:
    """Raises UsageError if the file cannot be read, or if the environment names one that does not exist."""
    file = config_file(environment)
    try:
        return Config.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        if environment.get(FILE_VARIABLE):
            raise UsageError(f"{file}: there is no such file ({FILE_VARIABLE} names it).") from None
        return Config()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{file}: {error}.") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{file}: {where}: {first['msg']}.") from None


def error_sentence(error: ClientError) -> str:
    """Returns what the error says and, if the service refused the key, where the command takes the key from."""
    if isinstance(error, UnauthorizedError):
        return f"{error.message} {KEY_VARIABLE} or --api-key must be the service's key, which `make run` prints."
    return error.message
