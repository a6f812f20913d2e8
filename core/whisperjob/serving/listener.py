"""Runs uvicorn as a part of a larger process, which makes the sockets and handles the signals itself."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

_BACKLOG = 512
_KEEP_ALIVE_SECONDS = 75
"""Longer than the minute for which proxies keep idle connections: the proxy must be the first to close one."""


def bind(host: str, port: int) -> socket.socket:
    """Returns a TCP socket on the address that does not listen yet; port 0 is any free one. Raises OSError.

    IPPROTO_TCP is given explicitly: asyncio turns off Nagle's algorithm for such sockets only.
    """
    family, kind, proto, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, proto)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except BaseException:
        bound.close()
        raise
    return bound


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves the signals to the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class Listener:
    """An ASGI app on a bound socket."""

    def __init__(
        self,
        app: ASGIApp,
        bound: socket.socket,
        *,
        grace: timedelta,
        http: type[asyncio.Protocol] | Literal["auto"] = "auto",
    ) -> None:
        """`grace`: how long requests in flight may continue after `stop`; `http`: the protocol that parses requests."""
        config = uvicorn.Config(
            app,
            http=http,
            ws="none",
            lifespan="off",  # the apps are composed from outside
            log_config=None,
            access_log=False,
            proxy_headers=False,  # uvicorn trusts 127.0.0.1 by default; the app has a list of its own
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, int(grace.total_seconds())),
        )
        self._server = _Server(config)
        self._socket = bound

    async def run(self) -> None:
        """Serves until `stop`. When it is cancelled, it waits for no request."""
        serving = asyncio.ensure_future(self._server.serve([self._socket]))
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self._server.config.timeout_graceful_shutdown = 1
            self._server.force_exit = True
            self.stop()
            await serving
            raise

    @property
    def port(self) -> int:
        """The port that the socket is bound to."""
        port: int = self._socket.getsockname()[1]
        return port

    async def wait_until_listening(self) -> None:
        """Returns when the socket accepts connections."""
        await self._server.listening.wait()

    def stop(self) -> None:
        """Accepts no new connection from now on; `run` returns when the requests in flight are done."""
        self._server.should_exit = True
