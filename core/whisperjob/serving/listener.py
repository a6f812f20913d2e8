"""uvicorn as a part of a larger process: our sockets, our signals, and a word when it listens."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

_BACKLOG = 512
_KEEP_ALIVE_SECONDS = 30


def bind(host: str, port: int) -> socket.socket:
    """A TCP socket on the address, not listening yet; port 0 is any free one. Raises OSError.

    Made with IPPROTO_TCP said aloud: asyncio turns Nagle's algorithm off for such sockets only.
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
        """Signals are the whole process's business."""
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
        keep_alive_seconds: int = _KEEP_ALIVE_SECONDS,
    ) -> None:
        """`grace`: how long requests in flight may go on once it was told to stop; `http`: what reads requests."""
        config = uvicorn.Config(
            app,
            http=http,
            ws="none",
            lifespan="off",  # what the apps need is given to them from outside
            log_config=None,
            access_log=False,
            proxy_headers=False,  # uvicorn believes 127.0.0.1 by default; the app has its own list
            server_header=False,
            backlog=_BACKLOG,
            timeout_keep_alive=keep_alive_seconds,
            timeout_graceful_shutdown=max(1, int(grace.total_seconds())),
        )
        self._server = _Server(config)
        self._socket = bound

    async def run(self) -> None:
        """Serves until `stop`; cancelled, it waits for no request."""
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
        port: int = self._socket.getsockname()[1]
        return port

    async def listening(self) -> None:
        await self._server.listening.wait()

    def stop(self) -> None:
        """Takes no new connection from now on; `run` returns when the requests in flight are done."""
        self._server.should_exit = True
