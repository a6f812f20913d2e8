"""Checks and prepares what the service needs before it starts. Each problem is one plain sentence."""

import errno
import fcntl
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from whisperjob.files import atomic_write
from whisperjob.model.errors import WhisperJobError
from whisperjob.model.machine_faults import MachineFaultError
from whisperjob.serving import listener
from whisperjob.worker.processes import sandbox
from whisperjob_optimizer.tools import Tools


class StartupError(WhisperJobError):
    """The service cannot start with these settings; the message is for the person who starts it."""


class DataFolder:
    """The paths of everything that one service stores. Made by `open_data_folder`, which holds the folder's lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records = path / "jobs.sqlite"
        self.objects = path / "objects"
        self.scratch = path / "scratch"
        self.api_key = path / "api-key"

    def sweep_scratch(self) -> None:
        """Removes what the workers of an earlier process left, which may be what has filled the disk."""
        shutil.rmtree(self.scratch, ignore_errors=True)


@contextmanager
def open_data_folder(path: Path) -> Iterator[DataFolder]:
    """Creates the folder if necessary and locks it while the context lasts. Raises StartupError.

    Two services with one folder would run every job twice and remove each other's scratch folders.
    """
    path = path.absolute()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartupError(f"The data folder {path} cannot be written ({error.strerror}).") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StartupError(
                f"The data folder {path} is in use by another WhisperJob; stop that one or choose another folder."
            ) from error
        yield DataFolder(path)
    finally:
        os.close(lock)


def ensure_api_key(file: Path) -> str:
    """Returns the API key in `file`, which is generated at the first start and readable by its owner only.

    Raises StartupError.
    """
    try:
        if not file.exists():
            with atomic_write(file, durable=True) as unfinished:
                descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "w", encoding="ascii") as opened:
                    opened.write(secrets.token_urlsafe(24) + "\n")
        key = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise StartupError(f"The API key in {file} cannot be read or made ({error}).") from error
    if not key:
        raise StartupError(f"The file {file} holds no API key; delete it and a new one is made.")
    return key


def find_ffmpeg(program: str) -> str:
    """Returns the full path of ffmpeg; ffprobe must be beside it. Raises StartupError."""
    try:
        return Tools.find(program).ffmpeg
    except MachineFaultError as error:
        raise StartupError(f"{error}: install all of ffmpeg (Debian: apt-get install ffmpeg).") from error


def check_sandbox(ffmpeg: str) -> None:
    """Raises StartupError if this machine lacks a part of the sandbox, which the settings require."""
    if lacks := sandbox.find_missing(ffmpeg):
        raise StartupError(f"The sandbox is required (WHISPERJOB_SANDBOX), but {' and '.join(lacks)}.")


def bind(host: str, port: int) -> socket.socket:
    """Returns a socket on that address that does not listen yet; port 0 is any free one. Raises StartupError."""
    try:
        return listener.bind(host, port)
    except socket.gaierror as error:
        raise StartupError(f"{host} is no address to listen on ({error.strerror}).") from error
    except OSError as error:
        raise StartupError(_bind_sentence(host, port, error)) from error


def _bind_sentence(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken by another program; choose another with --port or PORT."
    return f"Cannot listen on {host} port {port} ({error.strerror}); choose another with --host or --port."


def to_url(bound: socket.socket) -> str:
    """Returns the URL under which this machine reaches the socket."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
