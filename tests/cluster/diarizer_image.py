"""The diarizer's own image, for CPUs, as a file that a running cluster can import. Host side.

It is built apart from the other images: it is large, and its base here is what `make diarizer` has built.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cluster.images import digest_files, locked, run_builder
from cluster.paths import CACHE, REPOSITORY
from cluster.prepare import DIARIZER_BASES

ROOT: Final = REPOSITORY / ".cache" / "diarizer" / "root"
_MARK: Final = ".whisperjob"
"""`make diarizer` writes it last, with what the root was made from."""
_CONTEXT: Final = (
    *("core/whisperjob/model", "core/whisperjob/worker", "core/whisperjob/__init__.py"),
    *("images/build", "images/diarizer", "deploy/diarizer", ".dockerignore", "tests/cluster/prepare_diarizer.py"),
    *("requirements/diarizer-debian.txt", "requirements/diarizer-models.txt"),
)


class NoDiarizerError(Exception):
    """The diarizer's image cannot be built here; the message says why."""


def diarizer_image(node: Path, say: Callable[[str], None]) -> Path:
    """Returns an archive with the image `prepare.DIARIZER`. Raises NoDiarizerError, ImagesError."""
    if not (ROOT / _MARK).is_file():
        raise NoDiarizerError("the diarizer's image needs what `make diarizer` makes on Debian, as root")
    folder = CACHE / "diarizer" / _key(node)
    if not folder.is_dir():
        with locked(CACHE / "images.lock"):
            if not folder.is_dir():
                say("building the diarizer's image; this takes some minutes")
                shutil.rmtree(folder.parent, ignore_errors=True)  # large: only the newest is stored
                _build(node, folder)
    return folder / "image.tar"


def _build(node: Path, folder: Path) -> None:
    unfinished = folder.with_name(f"unfinished-{folder.name}")
    unfinished.mkdir(parents=True)
    mounts = ((ROOT, "/diarizer", True), (unfinished, "/image", False))
    output = run_builder(node, ("prepare_diarizer.py", f"{DIARIZER_BASES}{_base_digest()}:1"), mounts)
    (unfinished / "said").write_text(output)
    unfinished.rename(folder)


def _base_digest() -> str:
    made_from = (ROOT / _MARK).read_bytes() + (REPOSITORY / "tests/cluster/prepare_diarizer.py").read_bytes()
    return hashlib.sha256(made_from).hexdigest()[:16]


def _key(node: Path) -> str:
    return digest_files(_CONTEXT, node.name, _base_digest())
