"""A server's address and key, and the arguments of an httpx client for it."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

from whisperjob_client.api.retrying import RetryPolicy
from whisperjob_client.errors import UsageError

DEFAULT_URL = "http://127.0.0.1:8080"

_CONNECT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Connection:
    """How a client reaches a server. `timeout_seconds` limits one read or write, never a whole transfer."""

    url: str = DEFAULT_URL
    api_key: str | None = field(default=None, repr=False)
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_seconds: float = 60.0

    def to_httpx(self) -> dict[str, Any]:
        """Returns the arguments of httpx.Client and AsyncClient. Raises UsageError if the URL or the key is unusable.

        Proxies of the environment are not used for addresses of this machine. Redirects are not followed, because the
        key must not go where the service does not live; that of a download is, with the client of `to_store`.
        """
        import httpx

        try:
            url = httpx.URL(self.url)
        except httpx.InvalidURL as error:
            raise UsageError(f"{self.url!r} is no URL: {error}.") from None
        if url.scheme not in ("http", "https") or not url.host:
            raise UsageError(f"{self.url!r} is no URL of a server; one looks like {DEFAULT_URL}.")
        if self.api_key is not None and not self.api_key.isascii():
            raise UsageError("The API key holds characters that no key has.")
        return {
            "base_url": url,
            "headers": {"X-API-Key": self.api_key} if self.api_key else {},
            **self.to_store(url.host),
        }

    def to_store(self, host: str) -> dict[str, Any]:
        """Returns the arguments of a client for the object store on `host`, which gets no key."""
        import httpx

        return {
            "timeout": httpx.Timeout(self.timeout_seconds, connect=min(self.timeout_seconds, _CONNECT_SECONDS)),
            "trust_env": not is_loopback(host),
        }


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
