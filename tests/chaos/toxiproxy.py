"""toxiproxy between a program and a server: the network is slow, resets, hangs or is cut.

It is built from its Go module: https://github.com/Shopify/toxiproxy.
"""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from chaos.scenario import NotRunError
from support.programs.binaries import NoBinaryError
from support.programs.go_building import go_built
from support.programs.ports import free_port
from support.programs.processes import end_group
from support.waiting import until_sync

_MODULE = Path(__file__).with_name("modules") / "toxiproxy"
_PACKAGE = "github.com/Shopify/toxiproxy/v2/cmd/server"

Toxic = tuple[str, dict[str, Any]]
"""A type of toxiproxy and its attributes."""

TOXICS: dict[str, Toxic] = {
    "slow to answer": ("latency", {"latency": 1500, "jitter": 500}),
    "a thin line": ("bandwidth", {"rate": 64}),
    "no answer": ("timeout", {"timeout": 0}),
    "reset": ("reset_peer", {"timeout": 50}),
    "cut in the middle": ("limit_data", {"bytes": 20_000}),
}


class ToxicLink:
    """One address that leads to another, and what is wrong with the way at the moment."""

    def __init__(self, client: httpx.Client, listen: int, upstream: str) -> None:
        self.port = listen
        self._client = client
        self._upstream = upstream
        self._request("POST", "/proxies", {"name": "link", "listen": f"127.0.0.1:{listen}", "upstream": upstream})

    def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        self._client.request(method, path, json=body).raise_for_status()

    @contextmanager
    def poisoned(self, toxic: Toxic) -> Iterator[None]:
        """The network is bad in both directions while the block lasts."""
        kind, attributes = toxic
        for stream in ("upstream", "downstream"):
            body = {"name": stream, "type": kind, "stream": stream, "attributes": attributes}
            self._request("POST", "/proxies/link/toxics", body)
        try:
            yield
        finally:
            for stream in ("upstream", "downstream"):
                self._request("DELETE", f"/proxies/link/toxics/{stream}")

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Nobody listens, and open connections are closed, while the block lasts."""
        self._request("POST", "/proxies/link", {"enabled": False})
        try:
            yield
        finally:
            self._request("POST", "/proxies/link", {"enabled": True})

    @contextmanager
    def leading_to(self, upstream: str) -> Iterator[None]:
        """Another server answers while the block lasts."""
        self._request("POST", "/proxies/link", {"upstream": upstream, "enabled": True})
        try:
            yield
        finally:
            self._request("POST", "/proxies/link", {"upstream": self._upstream, "enabled": True})


@contextmanager
def toxic_link(upstream: str) -> Iterator[ToxicLink]:
    """A link to `upstream`, a "host:port". Raises NotRunError where there is no toxiproxy and none can be built."""
    try:
        program = go_built("toxiproxy-server", _MODULE, _PACKAGE, "no toxiproxy", print)
    except NoBinaryError as error:
        raise NotRunError(f"{error}") from error
    port = free_port()
    process = subprocess.Popen(
        [program, "-host", "127.0.0.1", "-port", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client:
            until_sync(lambda: _answers(client), "toxiproxy to answer", 20)
            yield ToxicLink(client, free_port(), upstream)
    finally:
        end_group(process)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/version").is_success
    except httpx.TransportError:
        return False
