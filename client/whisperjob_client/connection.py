"""A server's address and key, and the arguments of an httpx client for it."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from whisperjob_client.api.retrying import RetryPolicy
from whisperjob_client.errors import UsageError

if TYPE_CHECKING:
    import httpx

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
            raise UsageError("The API key must be ASCII.")
        arguments = self.to_store(url.host)
        if self.api_key:
            arguments["headers"] |= {"X-API-Key": self.api_key}
        return {"base_url": url, **arguments}

    def to_store(self, host: str) -> dict[str, Any]:
        """Returns the arguments of a client for the object store on `host`, which gets no key."""
        return client_arguments(host, self.timeout_seconds)


def client_arguments(host: str, timeout_seconds: float) -> dict[str, Any]:
    """Returns what all httpx clients have in common: no cookies, which nobody needs and which a server may send without
    end, and a coding of answers that `bounded_bodies` can limit."""
    from http.cookiejar import CookieJar, DefaultCookiePolicy

    return {
        "timeout": build_timeout(timeout_seconds),
        "trust_env": not is_loopback(host),
        "headers": {"Accept-Encoding": "gzip"},
        "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    }


def build_timeout(seconds: float) -> "httpx.Timeout":
    """Returns the timeouts of one read or write; a connection must be made sooner."""
    import httpx

    return httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))


def is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
