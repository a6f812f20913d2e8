"""Forwards connections across network namespaces, over a unix socket that both sides can reach. Standard library only.

Inside, `serve` accepts on the socket, reads one line, "HOST PORT", and connects there. Outside, `Forwarder` listens on
127.0.0.1 and sends that line. No firewall is changed, and both ends go away with their processes.
"""

import asyncio
import contextlib
import os
import threading
from pathlib import Path

_CHUNK = 256 * 1024


class _RunningTasks:
    """References to running tasks: asyncio alone would lose one that waits on a connection whose reading is paused."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    def add_this(self) -> None:
        """Adds the task that calls it, until it has ended."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def serve(path: Path) -> None:
    """Serves until cancelled."""
    running = _RunningTasks()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.add_this()
        host, port = (await reader.readline()).decode().split()
        try:
            onward = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        await relay((reader, writer), onward)

    server = await asyncio.start_unix_server(accepted, path)
    async with server:
        await server.serve_forever()


def serve_in_background(path: Path) -> None:
    threading.Thread(target=lambda: asyncio.run(serve(path)), daemon=True).start()


class Forwarder:
    """Listeners on 127.0.0.1 for addresses inside, in a thread of their own."""

    def __init__(self, path: Path) -> None:
        self._folder = os.open(path.parent, os.O_PATH)
        self._path = f"/proc/self/fd/{self._folder}/{path.name}"  # short, since a socket's path has at most 107 bytes
        self._servers: list[asyncio.Server] = []
        self._running = _RunningTasks()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def open(self, host: str, port: int, local: int = 0) -> int:
        """Returns the local port; 0 takes any free one. Raises OSError where it is taken."""
        return asyncio.run_coroutine_threadsafe(self._listen(host, port, local), self._loop).result(10)

    async def _listen(self, host: str, port: int, local: int) -> int:
        async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._running.add_this()
            try:
                onward = await asyncio.open_unix_connection(self._path)
            except OSError:
                writer.transport.abort()
                return
            onward[1].write(f"{host} {port}\n".encode())
            await relay((reader, writer), onward)

        server = await asyncio.start_server(accepted, "127.0.0.1", local)
        self._servers.append(server)
        opened: int = server.sockets[0].getsockname()[1]
        return opened

    def close(self) -> None:
        """Ends every connection."""

        async def stop() -> None:
            for server in self._servers:
                server.close()
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        os.close(self._folder)


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def relay(one: Stream, other: Stream) -> None:
    """Copies in both directions until both have ended. The end of one is passed on; an error ends both."""
    try:
        await asyncio.gather(_copy(one[0], other[1]), _copy(other[0], one[1]))
    except (OSError, asyncio.CancelledError):  # the latter when everything ends
        for _, writer in (one, other):
            writer.transport.abort()
    finally:
        for _, writer in (one, other):
            writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()
