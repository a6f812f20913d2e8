"""How many requests a tenant may send: a bucket of tokens for each tenant that has a limit, in this process.

A tenant's answers tell how much is left, as in the IETF's draft of RateLimit header fields. Each replica counts the
requests that it gets itself, and counts anew when it starts: asking the others would cost more than a request does.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from whisperjob.model.tenants import TenantLimits
from whisperjob_api.error_responses import error_response
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.rate_limit_headers import Quota, add_quota

WINDOW_SECONDS: Final = 10.0
"""A client that asks for a job and its chunks sends many requests at once: so much of its rate may come together."""


@dataclass(slots=True)
class TokenBucket:
    """Tokens that come back at a rate, up to those of a window, one at least. Pure: the caller passes the time."""

    per_second: float
    tokens: float
    at: float

    @classmethod
    def full(cls, per_second: float, now: float) -> "TokenBucket":
        """Returns a full bucket."""
        return cls(per_second, max(1.0, per_second * WINDOW_SECONDS), now)

    @property
    def capacity(self) -> float:
        """The most tokens that it holds."""
        return max(1.0, self.per_second * WINDOW_SECONDS)

    def take(self, now: float) -> float:
        """Takes a token. Returns 0, or the seconds until there is one if there is none; then none is taken."""
        self.tokens = min(self.capacity, self.tokens + (now - self.at) * self.per_second)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / self.per_second

    def to_quota(self) -> Quota:
        """Returns what the headers say of it."""
        return Quota(
            name="requests",
            limit=math.floor(self.capacity),
            window_seconds=math.ceil(self.capacity / self.per_second),
            remaining=math.floor(self.tokens),
            reset_seconds=math.ceil((self.capacity - self.tokens) / self.per_second),
        )


class RequestRateMiddleware:
    """ASGI middleware behind the check of keys: a tenant that sends too many requests gets 429."""

    def __init__(self, app: ASGIApp, limits_of: Callable[[str], TenantLimits]) -> None:
        self.app = app
        self._limits_of = limits_of
        self._buckets: dict[str, TokenBucket] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tenant = scope.get("state", {}).get("tenant")
        per_second = None if tenant is None else self._limits_of(tenant).requests_per_second
        if tenant is None or per_second is None:
            await self.app(scope, receive, send)
            return
        now = time.monotonic()
        bucket = self._buckets.setdefault(tenant, TokenBucket.full(per_second, now))
        wait = bucket.take(now)
        quota = bucket.to_quota()

        async def send_with_quota(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_quota(MutableHeaders(scope=message), quota)
            await send(message)

        if not wait:
            await self.app(scope, receive, send_with_quota)
            return
        error = RequestError(
            HttpCode.RATE_LIMITED,
            f"Too many requests: {quota.limit} in {quota.window_seconds} seconds are allowed.",
            retry_after_seconds=math.ceil(wait),
        )
        await error_response(error)(scope, receive, send_with_quota)
