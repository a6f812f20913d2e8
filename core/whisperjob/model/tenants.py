"""The limits and shares of tenants, as the settings give them."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import ConfigDict, Field, StringConstraints

from whisperjob.model.base import DNS_LABEL, Model

OTHER_TENANTS: Final = "*"
"""The name under which the settings give the limits of every tenant that they do not name."""

TenantName = Annotated[str, StringConstraints(pattern=rf"^({DNS_LABEL}|\*)$")]


class TenantLimits(Model):
    """What a tenant may use. What is absent has no limit of its own."""

    model_config = ConfigDict(extra="forbid")

    weight: float = Field(
        default=1.0, gt=0, le=1000, description="Its share of workers and upload slots, beside those of others"
    )
    running_jobs: int | None = Field(default=None, ge=1, description="Jobs that are worked on at a time")
    requests_per_second: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        description="Requests, on average over ten seconds, to each replica of the API",
    )
    bytes_per_day: int | None = Field(default=None, ge=1, description="Bytes of recordings in 24 hours")
    audio_hours_per_day: float | None = Field(
        default=None, gt=0, le=1_000_000, description="Hours of sound in 24 hours, as decoded"
    )

    @property
    def has_limit_of_a_day(self) -> bool:
        """Whether what the tenant uses in a day counts."""
        return self.bytes_per_day is not None or self.audio_hours_per_day is not None


UNLIMITED: Final = TenantLimits()


def find_limits(tenants: Mapping[str, TenantLimits], tenant: str) -> TenantLimits:
    """Returns the limits of a tenant: its own, or those of all others."""
    return tenants.get(tenant) or tenants.get(OTHER_TENANTS) or UNLIMITED
