"""A real MinIO server for tests: where its binary comes from, and how it is started and ended.

The binary is looked for in PATH, in $WHISPERJOB_TEST_BIN, in ../shared/cluster/bin.tar.xz beside the repository, and
else built with Go from images/minio; the last two are kept under .cache/. Where none of them works, tests that need
the server are skipped, and the skip says why.
"""

import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from whisperjob.model.settings import StoreSettings

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE = REPOSITORY / ".cache" / "minio"
SHARED = REPOSITORY.parent / "shared" / "cluster"
MODULE = REPOSITORY / "images" / "minio"
START_SECONDS = 60.0
STOP_SECONDS = 10.0
BUILD_SECONDS = 1800.0


class NoMinioError(Exception):
    """Why there is no server to test against, in plain words."""


class MinioServer:
    """A MinIO on a loopback port that stays the same over restarts, with its data in `folder`.

    `wrapper` is a command it is run by, such as one that mounts something first.
    """

    def __init__(self, binary: Path, folder: Path, wrapper: tuple[str, ...] = ()) -> None:
        self.access_key = "test-access-key"
        self.secret_key = secrets.token_hex(16)
        self.port = _free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._command = (*wrapper, str(binary))
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def settings(self, bucket: str | None = None) -> StoreSettings:
        """Of a store in a bucket of its own, unless one is named."""
        return StoreSettings(
            s3_endpoint=self.endpoint,
            s3_bucket=bucket or f"test-{secrets.token_hex(6)}",
            s3_access_key=self.access_key,
            s3_secret_key=SecretStr(self.secret_key),
        )

    def start(self) -> None:
        """Returns when the server is ready for requests."""
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
        """Ends its process group; idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(process.pid, sign)
                process.wait(STOP_SECONDS)
            except ProcessLookupError:
                process.wait()
            except subprocess.TimeoutExpired:
                continue
            return

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Meanwhile connections are accepted, by the kernel, and never answered."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            os.waitid(os.P_PID, self._process.pid, os.WSTOPPED)  # a busy thread may answer for a moment yet
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)


def find_binary(say: Callable[[str], None] = print) -> Path:
    """A MinIO server binary, unpacked or built if need be. Raises NoMinioError; says what takes long."""
    if found := shutil.which("minio"):
        return Path(found)
    if folder := os.environ.get("WHISPERJOB_TEST_BIN"):
        named = Path(folder) / "minio"
        if named.is_file():
            return named
    if (SHARED / "bin.tar.xz").is_file():
        return _unpacked()
    return _built(say)


def _unpacked() -> Path:
    sums = (line.split() for line in (SHARED / "SHA256SUMS").read_text().splitlines())
    wanted = next(digest for digest, name in sums if name == "minio")
    target = CACHE / wanted[:16] / "minio"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f"unpacking-{os.getpid()}")
        with tarfile.open(SHARED / "bin.tar.xz") as archive:
            member = next((m for m in archive if m.name.removeprefix("./") == "minio"), None)
            content = archive.extractfile(member) if member else None
            if content is None:
                raise NoMinioError("bin.tar.xz holds no minio")
            with content, unfinished.open("wb") as file:
                shutil.copyfileobj(content, file, 1024 * 1024)
        with unfinished.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
                unfinished.unlink()
                raise NoMinioError("the minio in bin.tar.xz is not the one SHA256SUMS names")
        unfinished.chmod(0o755)
        unfinished.rename(target)
    return target


def _built(say: Callable[[str], None]) -> Path:
    """Takes some minutes the first time, and a module proxy; named after what it is built from."""
    digest = hashlib.sha256(b"".join((MODULE / name).read_bytes() for name in ("go.mod", "go.sum"))).hexdigest()
    target = CACHE / f"built-{digest[:16]}" / "minio"
    if target.is_file():
        return target
    go = shutil.which("go")
    if go is None:
        raise NoMinioError("no MinIO server: none in PATH or $WHISPERJOB_TEST_BIN, and no Go to build one with")
    say("building a MinIO server for the tests, once; this takes some minutes")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"building-{os.getpid()}")
    nice = [found, "-n", "10"] if (found := shutil.which("nice")) else []
    try:
        subprocess.run(
            [*nice, go, "build", "-trimpath", "-ldflags", "-s -w", "-o", str(unfinished), "github.com/minio/minio"],
            cwd=MODULE,
            env={**os.environ, "CGO_ENABLED": "0"},
            check=True,
            capture_output=True,
            timeout=BUILD_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        raise NoMinioError(f"no MinIO server: building it failed: {error.stderr.decode()[-400:].strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise NoMinioError("no MinIO server: building it took too long") from error
    unfinished.rename(target)
    return target


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_FOUND = pytest.StashKey[Path | str]()
_MARK = "minio"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{_MARK}: asks for the MinIO server while it runs, by request.getfixturevalue")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Gets the binary before the first test begins, so that no test's time limit counts a build."""
    if session.config.option.collectonly:
        return
    if any(
        "minio_binary" in getattr(item, "fixturenames", ()) or item.get_closest_marker(_MARK) for item in session.items
    ):
        try:
            session.config.stash[_FOUND] = find_binary(session.config.get_terminal_writer().line)
        except NoMinioError as error:
            session.config.stash[_FOUND] = str(error)


@pytest.fixture(scope="session")
def minio_binary(request: pytest.FixtureRequest) -> Path:
    found: Path | str = request.config.stash[_FOUND]
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="session")
def minio_server(minio_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MinioServer]:
    """One server for the whole session; every `settings()` names a bucket of its own."""
    server = MinioServer(minio_binary, tmp_path_factory.mktemp("minio"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_minio_server(minio_binary: Path, tmp_path: Path) -> Iterator[MinioServer]:
    """A server of the test's own, running, which it may stop and start again."""
    server = MinioServer(minio_binary, tmp_path / "minio")
    server.start()
    yield server
    server.stop()
