"""Clients of a test's API server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from kubernetes.aio import client

from support.kubernetes.server import KubeServer
from whisperjob_kubernetes.connection import connect
from whisperjob_kubernetes.requests import ApiRequest

_TURNS_TO_CLOSE = 10
"""Turns of the event loop: a closed TLS transport closes its socket some turns later, if the loop still runs."""


@asynccontextmanager
async def connected(
    server: KubeServer,
    kubeconfig: Path | None = None,
    on_request: Callable[[ApiRequest, int], None] | None = None,
) -> AsyncIterator[client.ApiClient]:
    """Yields a client of the administrator, or of the user that `kubeconfig` names."""
    api = await connect(kubeconfig or server.kubeconfig, on_request)
    try:
        yield api
    finally:
        await api.close()
        await let_sockets_close()


async def let_sockets_close() -> None:
    """Waits for sockets to close. To be called after a client was closed, before its event loop is."""
    for _ in range(_TURNS_TO_CLOSE):
        await asyncio.sleep(0)
