"""The base of every record and message that leaves the process as JSON."""

from typing import Annotated

from pydantic import AliasGenerator, BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel


def _alias(field: str) -> str:
    return to_camel(field).replace("Ip", "IP") if field.endswith("_ip") else to_camel(field)


class Model(BaseModel):
    """Immutable, camelCase in JSON, snake_case in Python. Numbers are finite, because JSON has no others."""

    model_config = ConfigDict(
        alias_generator=AliasGenerator(alias=_alias),
        populate_by_name=True,
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
    )


DNS_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
"""The pattern of a DNS label (RFC 1123), without anchors: names of jobs and tenants are such labels."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
