"""The page on the settings, out of the settings themselves."""

from datetime import timedelta
from enum import Enum
from ipaddress import IPv4Network
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from whisperjob.model.settings import ApiSettings, EngineSettings, LocalSettings, StoreSettings
from whisperjob_api.cluster_settings import ClusterApiSettings
from whisperjob_operator.operator_settings import OperatorSettings

_GROUPS: Final = (LocalSettings, ApiSettings, StoreSettings, EngineSettings, ClusterApiSettings, OperatorSettings)

_HEAD = """# Settings

All by environment variables. Durations read `90s`, `15m`, `12h`, `7d`, plain seconds or ISO 8601. A variable that is
empty counts as absent; a value that makes no sense ends the start with a sentence that names it.

The last two groups are of a cluster, where the chart gives all of them (`charts/whisperjob/values.yaml`).
"""


def settings_reference() -> str:
    """The page as it must be."""
    parts = [_section(group) for group in _GROUPS]
    return "\n".join([_HEAD, *parts])


def _section(group: type[BaseSettings]) -> str:
    title, _, more = (group.__doc__ or "").strip().partition(". ")
    title, more = title.rstrip("."), f"\n{more}\n" if more else ""
    rows = "\n".join(_row(name, field) for name, field in group.model_fields.items())
    return f"## {title}\n{more}\n| variable | kind | default | |\n| --- | --- | --- | --- |\n{rows}\n"


def _row(name: str, field: FieldInfo) -> str:
    aliases = field.validation_alias
    names = (
        [str(choice) for choice in aliases.choices]
        if isinstance(aliases, AliasChoices)
        else [f"WHISPERJOB_{name.upper()}"]
    )
    variables = ", ".join(f"`{variable}`" for variable in names)
    return f"| {variables} | {_kind(field.annotation)} | {_shown(field.default)} | {field.description} |"


def _kind(annotation: Any) -> str:
    if get_origin(annotation) in (Union, UnionType):
        return _kind(next(part for part in get_args(annotation) if part is not type(None)))
    if get_origin(annotation) is tuple:
        return "list"
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "choice"
    kinds = {timedelta: "duration", SecretStr: "secret", bool: "yes or no", int: "number", IPv4Network: "network"}
    return kinds.get(annotation, "text")


def _shown(default: Any) -> str:
    match default:
        case None | () | "":
            return "–"
        case dict() | list() if not default:
            return "–"
        case _ if default is PydanticUndefined:
            return "required"
        case SecretStr():
            return "–"
        case timedelta():
            return _duration(default)
        case Enum():
            return f"`{default.value}`"
        case bool():
            return "yes" if default else "no"
        case int():
            return f"{default:,}" if default >= 10_000 else str(default)
        case _:
            return f"`{default}`"


def _duration(value: timedelta) -> str:
    seconds = value.total_seconds()
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"`{seconds / length:.0f}{unit}`"
    return f"`{seconds:g}s`"
