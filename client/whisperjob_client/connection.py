"""What both clients know about a server: where it is, with which key, and how an httpx client for it is set up."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from whisperjob_client.errors import UsageError
from whisperjob_client.retrying import RetryPolicy

if TYPE_CHECKING:
    import httpx

DEFAULT_URL = "http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class Connection:
    """`timeout_seconds` is for one read or write, never for a whole transfer."""

    url: str = DEFAULT_URL
    api_key: str | None = field(default=None, repr=False)
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    timeout_seconds: float = 60.0

    def to_httpx(self) -> dict[str, Any]:
        """Arguments of httpx.Client and AsyncClient. Raises UsageError if the URL is none.

        Proxies of the environment are not asked for this machine's own addresses. Redirects are not followed: the key
        must not go where the service does not live; one of a download is, with the client of `to_store`.
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
        """Arguments of a client for the store on `host`, which gets no key."""
        import httpx

        return {
            "timeout": httpx.Timeout(self.timeout_seconds, connect=min(self.timeout_seconds, 10.0)),
            "trust_env": not is_loopback(host),
        }


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def had_connected(error: "httpx.TransportError") -> bool:
    """Whether the request may have reached the server."""
    import httpx

    return not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
