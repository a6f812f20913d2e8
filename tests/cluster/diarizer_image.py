"""The diarizer's own image, for CPUs, as a file that a running cluster can import. Host side.

Apart from the other images: it is large, and only what `make diarizer` made can be its base here.
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
    """Why the diarizer's image cannot be had here, in plain words."""


def diarizer_image(node: Path, say: Callable[[str], None]) -> Path:
    """An archive of one image, `prepare.DIARIZER`. Raises NoDiarizerError, ImagesError."""
    if not (ROOT / _MARK).is_file():
        raise NoDiarizerError("the diarizer's image needs what `make diarizer` makes on Debian, as root")
    made = CACHE / "diarizer"
    folder = made / _key(node)
    if not folder.is_dir():
        with locked(CACHE / "images.lock"):
            if not folder.is_dir():
                say("building the diarizer's image; this takes some minutes")
                shutil.rmtree(made, ignore_errors=True)  # large: only the newest is kept
                _build(node, folder)
    return folder / "image.tar"


def _build(node: Path, folder: Path) -> None:
    unfinished = folder.with_name(f"unfinished-{folder.name}")
    unfinished.mkdir(parents=True)
    mounts = ((ROOT, "/diarizer", True), (unfinished, "/image", False))
    said = run_builder(node, ("prepare_diarizer.py", f"{DIARIZER_BASES}{_base_digest()}:1"), mounts)
    (unfinished / "said").write_text(said)
    unfinished.rename(folder)


def _base_digest() -> str:
    made_from = (ROOT / _MARK).read_bytes() + (REPOSITORY / "tests/cluster/prepare_diarizer.py").read_bytes()
    return hashlib.sha256(made_from).hexdigest()[:16]


def _key(node: Path) -> str:
    return digest_files(_CONTEXT, node.name, _base_digest())
