"""A proxy of the API server that can misbehave: it ends watches with an ERROR, and loses writes or their answers."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from support.kubernetes.connection import let_sockets_close
from support.kubernetes.server import KubeServer
from whisperjob_kubernetes.connection import abort_stream

_PASSED_ON = ("Authorization", "Content-Type", "Accept")


class MisbehavingProxy:
    """Plain HTTP in front of a test's API server."""

    def __init__(self, server: KubeServer, session: aiohttp.ClientSession) -> None:
        self._server = server
        self._session = session
        self._failing: dict[str, int] = {}
        self._streams: dict[str, list[asyncio.Event]] = {}
        self._muted: set[str] = set()
        self._lost: tuple[int, bool] | None = None
        self.writes = 0
        self.url = ""
        self.watches: list[str] = []

    def end_watches_of(self, plural: str, code: int) -> None:
        """Ends the open watches of this kind with an ERROR with this code."""
        self._failing[plural] = code
        for stream in self._streams.pop(plural, []):
            stream.set()

    def mute(self, plural: str) -> None:
        """Lets no more events of this kind through; its watches stay open."""
        self._muted.add(plural)

    def lose_write(self, number: int, *, done: bool) -> None:
        """Breaks the connection of the write of this number, counted from now from 1; `done` writes it before that."""
        self.writes, self._lost = 0, (number, done)

    def watching(self, plural: str) -> bool:
        return bool(self._streams.get(plural))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        body = await request.read() or None
        lost = None
        if request.method != "GET":
            self.writes += 1
            lost = self._lost if self._lost and self._lost[0] == self.writes else None
        if lost == (self.writes, False):
            raise _break(request)
        async with self._session.request(
            request.method, self._server.url + request.path_qs, headers=headers, data=body
        ) as answer:
            if lost:
                await answer.read()
                raise _break(request)
            response = web.StreamResponse(status=answer.status)
            response.content_type = answer.content_type
            await response.prepare(request)
            if request.query.get("watch") in ("true", "True", "1") and answer.status == 200:
                await self._stream(request, answer, response)
            else:
                await response.write(await answer.read())
            await response.write_eof()
            return response

    async def _stream(self, request: web.Request, answer: aiohttp.ClientResponse, response: web.StreamResponse) -> None:
        plural = request.path.rpartition("/")[2]
        broken = asyncio.Event()
        self.watches.append(plural)
        self._streams.setdefault(plural, []).append(broken)
        waiting = asyncio.create_task(broken.wait())
        reading = asyncio.create_task(answer.content.readany())
        try:
            while True:
                await asyncio.wait([waiting, reading], return_when=asyncio.FIRST_COMPLETED)
                if broken.is_set():
                    status = {"kind": "Status", "code": self._failing[plural], "reason": "Test", "message": "injected"}
                    await response.write(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
                    return
                if not (data := reading.result()):
                    return
                if plural not in self._muted:
                    await response.write(data)
                reading = asyncio.create_task(answer.content.readany())
        except (ConnectionError, aiohttp.ClientError):
            return
        finally:
            waiting.cancel()
            reading.cancel()
            abort_stream(answer)
            await asyncio.gather(waiting, reading, return_exceptions=True)
            if broken in self._streams.get(plural, []):
                self._streams[plural].remove(broken)

    def kubeconfig(self, folder: Path, token: str) -> Path:
        content: dict[str, Any] = self._server.kubeconfig_for(token)
        content["clusters"][0]["cluster"] = {"server": self.url}
        file = folder / "proxied.kubeconfig"
        file.write_text(yaml.safe_dump(content))
        return file


def _break(request: web.Request) -> Exception:
    """Closes the connection with a reset; returns what ends the handler."""
    if request.transport is not None:
        request.transport.abort()
    return ConnectionResetError("lost on purpose")


@asynccontextmanager
async def misbehaving_proxy(server: KubeServer) -> AsyncIterator[MisbehavingProxy]:
    context = ssl.create_default_context(cafile=str(server.ca))
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0), timeout=timeout) as session:
        proxy = MisbehavingProxy(server, session)
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", proxy.handle)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield proxy
        finally:
            await runner.cleanup()
    await let_sockets_close()
