"""Where servers and programs of a cluster come from: PATH, $WHISPERJOB_TEST_BIN, ../shared/cluster/bin.tar.xz.

What the archive gives is stored under .cache/. Where a program is found nowhere and cannot be built (go_building),
tests that need it are skipped, and the skip says which.
"""

import hashlib
import os
import shutil
import tarfile
from collections.abc import Collection
from pathlib import Path

from support.kubernetes.paths import REPOSITORY

CACHE = REPOSITORY / ".cache" / "cluster"
SHARED = REPOSITORY.parent / "shared" / "cluster"


class NoBinaryError(Exception):
    """Why a program is not there, in plain words."""


def find_binaries(names: Collection[str]) -> dict[str, Path]:
    """The programs of these names, unpacked if need be. Raises NoBinaryError."""
    found = {name: path for name in names if (path := _installed(name))}
    missing = sorted(set(names) - set(found))
    if missing and not (SHARED / "bin.tar.xz").is_file():
        raise NoBinaryError(f"no {', '.join(missing)} in PATH or $WHISPERJOB_TEST_BIN, and no archive to unpack")
    return found | (_unpacked(missing) if missing else {})


def _installed(name: str) -> Path | None:
    if path := shutil.which(name):
        return Path(path)
    if folder := os.environ.get("WHISPERJOB_TEST_BIN"):
        named = Path(folder) / name
        return named if named.is_file() else None
    return None


def _unpacked(names: Collection[str]) -> dict[str, Path]:
    """One pass over the archive for all that is not in the cache yet; each is named after its sum, and checked."""
    sums = {
        name: digest for digest, name in (line.split() for line in (SHARED / "SHA256SUMS").read_text().splitlines())
    }
    if unknown := sorted(set(names) - set(sums)):
        raise NoBinaryError(f"bin.tar.xz holds no {', '.join(unknown)}")
    targets = {name: CACHE / sums[name][:16] / name for name in names}
    wanted = {name: target for name, target in targets.items() if not target.is_file()}
    if wanted:
        with tarfile.open(SHARED / "bin.tar.xz") as archive:
            for member in archive:
                target = wanted.pop(member.name.removeprefix("./"), None)
                if target is not None:
                    _unpack(archive, member, target, sums[target.name])
                if not wanted:
                    break
    if wanted:
        raise NoBinaryError(f"bin.tar.xz holds no {', '.join(sorted(wanted))}")
    return targets


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path, digest: str) -> None:
    content = archive.extractfile(member)
    if content is None:
        raise NoBinaryError(f"{member.name} in bin.tar.xz is no file")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"unpacking-{os.getpid()}")
    with content, unfinished.open("wb") as file:
        shutil.copyfileobj(content, file, 1024 * 1024)
    with unfinished.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != digest:
            unfinished.unlink()
            raise NoBinaryError(f"the {target.name} in bin.tar.xz is not the one SHA256SUMS names")
    unfinished.chmod(0o755)
    unfinished.rename(target)
