"""A real MinIO server for tests: finds or builds its binary, starts and stops it.

The binary is searched where all are (support.programs.binaries), or else built with Go from images/minio. Where neither
works, tests that need the server are skipped, and the skip gives the reason.
"""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from support.programs.binaries import NoBinaryError, find_binaries
from support.programs.go_building import go_built
from support.programs.ports import free_port
from support.programs.processes import end_group
from whisperjob.model.settings import StoreSettings

MODULE = Path(__file__).resolve().parents[3] / "images" / "minio"
START_SECONDS = 60.0


class MinioServer:
    """A MinIO server on a loopback port that is the same after a restart, with its data in `folder`.

    `wrapper` is a command that runs the server, such as one that mounts something first.
    """

    def __init__(self, binary: Path, folder: Path, wrapper: tuple[str, ...] = ()) -> None:
        self.access_key = "test-access-key"
        self.secret_key = secrets.token_hex(16)
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._command = (*wrapper, str(binary))
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def settings(self, bucket: str | None = None) -> StoreSettings:
        """Returns the settings of a store in a bucket of its own, unless one is named."""
        return StoreSettings(
            s3_endpoint=self.endpoint,
            s3_bucket=bucket or f"test-{secrets.token_hex(6)}",
            s3_access_key=self.access_key,
            s3_secret_key=SecretStr(self.secret_key),
        )

    def start(self) -> None:
        """Starts the server, and returns when it is ready for requests."""
        home = self._folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *self._command,
                    "server",
                    "--quiet",
                    "--address",
                    f"127.0.0.1:{self.port}",
                    str(self._folder / "data"),
                ],
                env={
                    "PATH": os.environ.get("PATH", os.defpath),
                    "HOME": str(home),
                    "MINIO_ROOT_USER": self.access_key,
                    "MINIO_ROOT_PASSWORD": self.secret_key,
                    "MINIO_BROWSER": "off",
                    "MINIO_UPDATE": "off",
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"MinIO did not start:\n{(self._folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.endpoint}/minio/health/ready", timeout=1, trust_env=False).is_success
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """Ends its process group. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            end_group(process)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stops the server for the block: the kernel accepts connections, and nothing answers."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)  # a busy thread may answer for a moment yet
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)


def find_binary(say: Callable[[str], None] = print) -> Path:
    """Returns a MinIO server binary, unpacked or built if need be. Raises NoBinaryError. `say` reports long steps."""
    try:
        return find_binaries(["minio"])["minio"]
    except NoBinaryError as error:
        return go_built("minio", MODULE, "github.com/minio/minio", str(error), say)


_BINARY = pytest.StashKey[Path | str]()
_MARK = "minio"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{_MARK}: asks for the MinIO server while it runs, by request.getfixturevalue")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Finds the binary before the first test begins, so that no test's time limit includes a build."""
    if session.config.option.collectonly:
        return
    if any(
        "minio_binary" in getattr(item, "fixturenames", ()) or item.get_closest_marker(_MARK) for item in session.items
    ):
        try:
            session.config.stash[_BINARY] = find_binary(session.config.get_terminal_writer().line)
        except NoBinaryError as error:
            session.config.stash[_BINARY] = str(error)


@pytest.fixture(scope="session")
def minio_binary(request: pytest.FixtureRequest) -> Path:
    binary: Path | str = request.config.stash[_BINARY]
    if isinstance(binary, str):
        pytest.skip(binary)
    return binary


@pytest.fixture(scope="session")
def minio_server(minio_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """Starts one server for the whole session; every `settings()` names a bucket of its own."""
    server = MinioServer(minio_binary, tmp_path_factory.mktemp("minio"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_minio_server(minio_binary: Path, tmp_path: Path) -> Iterator[MinioServer]:
    """Starts a server for one test, which may stop and start it."""
    server = MinioServer(minio_binary, tmp_path / "minio")
    server.start()
    yield server
    server.stop()
