"""The header fields RateLimit-Policy and RateLimit: what a tenant may use, and what of it is left. Pure.

They follow draft-ietf-httpapi-ratelimit-headers: lists of structured fields (RFC 9651), one item for each quota.
"""

from dataclasses import dataclass
from typing import Final

from starlette.datastructures import MutableHeaders

POLICY: Final = "RateLimit-Policy"
LIMIT: Final = "RateLimit"


@dataclass(frozen=True, slots=True)
class Quota:
    """So much in a window, and what is left of it. `unit` is the draft's name of what is counted, if not requests."""

    name: str
    limit: int
    window_seconds: int
    remaining: int
    reset_seconds: int
    unit: str | None = None

    def to_policy(self) -> str:
        """Formats the quota itself."""
        unit = f';qu="{self.unit}"' if self.unit else ""
        return f'"{self.name}";q={self.limit};w={self.window_seconds}{unit}'

    def to_limit(self) -> str:
        """Formats what is left."""
        return f'"{self.name}";r={max(0, self.remaining)};t={max(0, self.reset_seconds)}'


def add_quota(headers: MutableHeaders, quota: Quota) -> None:
    """Adds a quota to both fields."""
    for name, item in ((POLICY, quota.to_policy()), (LIMIT, quota.to_limit())):
        present = headers.get(name)
        headers[name] = f"{present}, {item}" if present else item
