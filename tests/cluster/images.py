"""The project's images, built by its own Dockerfiles on the cached base, in a containerd store ready to be copied.

The store is named after everything that goes into it; a second run with nothing changed finds it there.
"""

import fcntl
import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cluster.paths import CACHE, REPOSITORY
from cluster.spaces import Space, enter, new_folder

BUILD_SECONDS: Final = 1500.0
_CONTEXT: Final = (
    *("core/whisperjob", "core/whisperjob_kubernetes", "api/whisperjob_api", "operator/whisperjob_operator"),
    *("images/build", "images/api", "images/operator", "images/optimizer", "images/minio"),
    *("requirements", ".dockerignore", "tests/cluster/prepare.py"),
    *("tests/support/workers/diarizer_stand_in.py", "tests/cluster/stand_in.Dockerfile"),
)
_MAX_STORES: Final = 4


class ImagesError(Exception):
    """The images cannot be built; the message says why."""


def image_store(base: Path, node: Path, minio: Path, say: Callable[[str], None]) -> Path:
    """Returns the root folder of a containerd that has the images. Raises ImagesError."""
    stores = CACHE / "stores"
    stores.mkdir(parents=True, exist_ok=True)
    store = stores / _key(base, node, minio)
    if not store.is_dir():
        with locked(CACHE / "images.lock"):  # a build waits for another only where there is no store yet
            if not store.is_dir():
                say("building the images; the first time this takes some minutes")
                _build(base, node, minio, store)
                _keep_newest(stores, _MAX_STORES)
    store.touch()
    return store


def sizes(store: Path) -> str:
    """Returns the sizes that images/build printed."""
    return (store / "sizes").read_text()


def _build(base: Path, node: Path, minio: Path, store: Path) -> None:
    unfinished = store.with_name(f"unfinished-{store.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    (unfinished / "root").mkdir(parents=True)
    mounts = ((base, "/base", True), (unfinished / "root", "/store", False), (minio, "/opt/minio-server", True))
    output = run_builder(node, ("prepare.py", f"local/{base.name}:1"), mounts)
    (unfinished / "sizes").write_text("\n".join(re.findall(r"^\S+: \d+ MB$", output, re.MULTILINE)) + "\n")
    unfinished.rename(store)


def run_builder(node: Path, command: tuple[str, ...], mounts: tuple[tuple[Path, str, bool], ...]) -> str:
    """Runs one of this folder's programs inside the node's root file system, with a dockerd's data.

    Returns its output. Raises ImagesError.
    """
    docker = CACHE / "docker"
    docker.mkdir(exist_ok=True)
    folder = new_folder()
    program, *arguments = command
    inner = ["nice", "python3", "-I", f"/repo/tests/cluster/{program}", *arguments]
    space = Space(node, "host", ((REPOSITORY, "/repo", True), (docker, "/docker", False), *mounts))
    builder = enter(space, folder, inner)
    try:
        builder.process.wait(BUILD_SECONDS)
    except subprocess.TimeoutExpired:
        raise ImagesError(f"building the images took over {BUILD_SECONDS:.0f} s, see {folder}/logs") from None
    finally:
        builder.close()
    output = (folder / "logs" / "out.log").read_text(errors="replace")
    if builder.process.returncode:
        raise ImagesError(f"building the images failed, see {folder}/logs: {output[-600:].strip()}")
    shutil.rmtree(folder)
    return output


def _key(base: Path, node: Path, minio: Path) -> str:
    return digest_files(_CONTEXT, base.name, node.name, str(minio), str(minio.stat().st_size))


def digest_files(context: Iterable[str], *words: str) -> str:
    """Returns a digest of words and of files and folders of the repository."""
    digest = hashlib.sha256("\0".join(words).encode())
    for name in context:
        for path in sorted(_files(REPOSITORY / name)):
            digest.update(f"{path.relative_to(REPOSITORY)}\0{path.stat().st_mode & 0o111}\0".encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from (inner for inner in path.rglob("*") if inner.is_file() and "__pycache__" not in inner.parts)


def _keep_newest(stores: Path, count: int) -> None:
    """Removes those whose last use is longest ago. None is in use: a cluster works on a copy."""
    for old in sorted(stores.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)[count:]:
        shutil.rmtree(old)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
