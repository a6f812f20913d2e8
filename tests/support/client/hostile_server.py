"""An HTTP server that answers with whatever bytes a test wants, also with such as no HTTP server sends.

Each connection is read up to the end of the request's head (and its body, as far as it comes), and gets one answer,
written piece by piece until the client has had enough.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Answer = Callable[[str], Iterable[bytes]]
"""Takes the request's head and yields the pieces of the answer."""


@dataclass
class HostileServer:
    """`heads` are those of the requests that came, `sent_bytes` what went out in all."""

    answer: Answer
    url: str = ""
    heads: list[str] = field(default_factory=list)
    sent_bytes: int = 0


@contextmanager
def hostile_server(answer: Answer) -> Iterator[HostileServer]:
    """Serves while the block lasts; the end closes all connections."""
    server = HostileServer(answer)
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread = threading.Thread(target=_accept, args=(listener, server, ended), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            ended.set()
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def head(status: str = "200 OK", *fields: str, length: int | None = None) -> bytes:
    """Returns the head of an answer, whose body is chunked if it has no length."""
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return "\r\n".join([f"HTTP/1.1 {status}", framing, "Connection: close", *fields, "", ""]).encode("utf-8")


def chunked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def whole(body: bytes, *fields: str, status: str = "200 OK") -> list[bytes]:
    return [head(status, *fields, length=len(body)), body]


def dripping(seconds: float, piece: bytes = b" ") -> Iterator[bytes]:
    """Yields a byte now and then, without end."""
    while True:
        yield piece
        time.sleep(seconds)


def _accept(listener: socket.socket, server: HostileServer, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        threading.Thread(target=_serve, args=(connection, server, ended), daemon=True).start()


def _serve(connection: socket.socket, server: HostileServer, ended: threading.Event) -> None:
    with connection, suppress(OSError):
        request = b""
        while b"\r\n\r\n" not in request:
            piece = connection.recv(65536)
            if not piece:
                return
            request += piece
        text = request.partition(b"\r\n\r\n")[0].decode("latin-1")
        server.heads.append(text)
        discarding = threading.Thread(target=_discard, args=(connection,), daemon=True)
        discarding.start()
        for piece in server.answer(text):
            if ended.is_set():
                return
            connection.sendall(piece)
            server.sent_bytes += len(piece)
        connection.shutdown(socket.SHUT_WR)
        discarding.join(10)  # closing a connection with unread bytes would take the answer from the client


def _discard(connection: socket.socket) -> None:
    """Reads what follows, so that a client that sends a body gets its answer."""
    with suppress(OSError):
        while connection.recv(65536):
            pass
