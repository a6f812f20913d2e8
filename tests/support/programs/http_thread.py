"""Small HTTP servers that stand in for a service, each on a thread of its own."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer


@contextmanager
def serving_http(server: ThreadingHTTPServer) -> Iterator[str]:
    """Its address, http://127.0.0.1:PORT, while the block lasts; the end waits for no answer that is still held."""
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
