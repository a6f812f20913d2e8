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
        http: type[asyncio.Protocol] | Literal["httptools"] = "httptools",
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
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
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

    async def listening(self) -> None:
        await self._server.listening.wait()

    def stop(self) -> None:
        """Takes no new connection from now on; `run` returns when the requests in flight are done."""
        self._server.should_exit = True
