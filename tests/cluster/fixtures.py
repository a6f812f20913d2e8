"""One cluster and one release of the chart for a whole test session; a pytest plugin that test modules name.

Where there can be no cluster the tests are skipped, with the reason. Images that cannot be built are a failure.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from cluster.diarizer_image import NoDiarizerError, diarizer_image
from cluster.existing import VARIABLE, ExistingCluster
from cluster.harness import Cluster, NoClusterError, Parts
from cluster.images import ImagesError
from cluster.installation import Installation
from cluster.kube import Kube
from cluster.prepare import DIARIZER
from support.programs.binaries import NoBinaryError

_PARTS = pytest.StashKey[Parts | NoClusterError | ImagesError]()
_DIARIZER = pytest.StashKey[Path | NoDiarizerError | ImagesError]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Makes what a cluster needs before the first test begins, so that no test's time limit counts a build."""
    if session.config.option.collectonly or _PARTS in session.config.stash:
        return
    if os.environ.get(VARIABLE):
        session.config.stash[_PARTS] = NoClusterError(
            "needs the inside of a cluster, which an existing one does not show"
        )
        return
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    say = session.config.get_terminal_writer().line
    if not wanted & {"cluster", "cluster_parts"}:
        return
    try:
        session.config.stash[_PARTS] = parts = Parts(say)
    except (NoClusterError, ImagesError) as error:
        session.config.stash[_PARTS] = error
        return
    if "real_diarizer" in wanted:
        try:
            session.config.stash[_DIARIZER] = diarizer_image(parts.node, say)
        except (NoDiarizerError, ImagesError) as error:
            session.config.stash[_DIARIZER] = error


@pytest.fixture(scope="session")
def cluster_parts(request: pytest.FixtureRequest) -> Parts:
    """The parts of a cluster; without them tests are skipped."""
    parts = request.config.stash[_PARTS]
    if isinstance(parts, NoClusterError):
        pytest.skip(str(parts))
    if isinstance(parts, ImagesError):
        raise parts
    return parts


@pytest.fixture(scope="session")
def inner_cluster(request: pytest.FixtureRequest, cluster_parts: Parts) -> Iterator[Cluster]:
    """The cluster, where it is one of processes on this machine: its containers and logs can be reached."""
    made = Cluster(cluster_parts)
    failed = request.session.testsfailed
    try:
        made.start()
        yield made
    finally:
        if request.session.testsfailed > failed and made.alive:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                objects = made.kubectl("get", "all,wj,events", "-A", "-o", "wide")
                (made.logs / "objects.txt").write_text(objects)
        made.stop()
        if request.session.testsfailed == failed:
            made.remove_logs()
        else:
            request.config.get_terminal_writer().line(f"the cluster's logs are in {made.logs}")


@pytest.fixture(scope="session")
def real_diarizer(request: pytest.FixtureRequest, inner_cluster: Cluster) -> str:
    """The name of the real diarizer's image, imported on the node; without it tests are skipped."""
    archive = request.config.stash[_DIARIZER]
    if isinstance(archive, NoDiarizerError):
        pytest.skip(str(archive))
    if isinstance(archive, ImagesError):
        raise archive
    inner_cluster.import_image(archive)
    return DIARIZER


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    """The cluster of processes, or the existing one that the environment names."""
    kubeconfig = os.environ.get(VARIABLE)
    if not kubeconfig:
        yield request.getfixturevalue("inner_cluster")
        return
    try:
        existing = ExistingCluster(Path(kubeconfig), tmp_path_factory.mktemp("cluster"))
    except NoBinaryError as error:
        pytest.skip(str(error))
    try:
        yield existing
    finally:
        existing.close()


@pytest.fixture(scope="session")
def installation(cluster: Kube) -> Installation:
    """A release in the namespace media."""
    made = Installation(cluster, "media")
    made.install()
    return made


@pytest.fixture(scope="session")
def api(installation: Installation) -> Iterator[httpx.Client]:
    """A client of the API through its Service, with its key."""
    with installation.client() as client:
        yield client
