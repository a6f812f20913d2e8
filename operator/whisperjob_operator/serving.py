"""uvicorn as a part of a larger process: our sockets, and the signals left to whoever started it."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import uvicorn
from starlette.types import ASGIApp


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()


class Listener:
    """An ASGI app on a port; 0 is any free one."""

    def __init__(self, app: ASGIApp, host: str, port: int, *, grace: timedelta) -> None:
        """Raises OSError if the port is taken. `grace`: how long requests in flight may go on after `stop`."""
        self._socket = socket.create_server((host, port), reuse_port=False)
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=max(1, int(grace.total_seconds())),
        )
        self._server = _Server(config)

    @property
    def port(self) -> int:
        port: int = self._socket.getsockname()[1]
        return port

    async def run(self) -> None:
        """Serves until `stop`, then finishes what is in flight."""
        await self._server.serve([self._socket])

    async def listening(self) -> None:
        await self._server.listening.wait()

    def stop(self) -> None:
        self._server.should_exit = True
