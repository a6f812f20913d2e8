"""Fixtures around a real API server; a pytest plugin: test modules name it in `pytest_plugins`, never import it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kubernetes.aio import client

from support.golden import golden
from support.kubernetes.connection import connected
from support.kubernetes.server import KubeServer, install_crd
from support.programs.binaries import NoBinaryError, find_binaries

__all__ = ["golden"]

_NEEDED = ("etcd", "kube-apiserver", "kubectl", "helm")

_FOUND = pytest.StashKey[dict[str, Path] | str]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Unpacks the programs before the first test starts, so that it does not count in the time limit of a test."""
    if session.config.option.collectonly:
        return
    if any("kube_binaries" in getattr(item, "fixturenames", ()) for item in session.items):
        try:
            session.config.stash[_FOUND] = find_binaries(_NEEDED)
        except NoBinaryError as error:
            session.config.stash[_FOUND] = str(error)


@pytest.fixture(scope="session")
def kube_binaries(request: pytest.FixtureRequest) -> dict[str, Path]:
    found: dict[str, Path] | str = request.config.stash[_FOUND]
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="session")
def kube_server(kube_binaries: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeServer]:
    """One server for the whole session, with the chart's CRD in it; tests make namespaces of their own."""
    with _running(KubeServer(kube_binaries, tmp_path_factory.mktemp("kube"))) as server:
        yield server


@pytest.fixture
def own_kube_server(kube_binaries: dict[str, Path], tmp_path: Path) -> Iterator[KubeServer]:
    """A server of the test's own, which it may stop and start again."""
    with _running(KubeServer(kube_binaries, tmp_path / "kube")) as server:
        yield server


@contextmanager
def _running(server: KubeServer) -> Iterator[KubeServer]:
    server.start()
    try:
        install_crd(server)
        yield server
    finally:
        server.stop()


@pytest.fixture
async def kube_api(kube_server: KubeServer) -> AsyncIterator[client.ApiClient]:
    """A client with all permissions."""
    async with connected(kube_server) as api:
        yield api


@pytest.fixture
def kube_namespace(kube_server: KubeServer) -> str:
    """A namespace of the test's own."""
    return kube_server.new_namespace()
