"""A small disk of its own, to be filled, which only root may mount: a tmpfs, or ext4 in a file."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path]:
    """Mounts a disk of this size at `folder`. Skips the test where that is not allowed."""
    with _mounted(folder, ["-t", "tmpfs", "-o", f"size={mib}m", "tmpfs"]) as disk:
        yield disk


@contextmanager
def small_ext4(folder: Path, mib: int) -> Iterator[Path]:
    """Mounts a disk with the usual file system, where names in folders take up space, too. Skips as `small_disk`."""
    program = shutil.which("mkfs.ext4", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        pytest.skip("mkfs.ext4 is not installed (Debian: apt-get install e2fsprogs)")
    image = folder.with_suffix(".ext4")
    with image.open("wb") as file:
        file.truncate(mib * 2**20)
    subprocess.run([program, "-q", "-b", "1024", "-m", "0", str(image)], check=True)
    with _mounted(folder, ["-o", "loop", str(image)]) as disk:
        yield disk


@contextmanager
def _mounted(folder: Path, options: Sequence[str]) -> Iterator[Path]:
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small disk this fills")
    mounted = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"the small disk this fills cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, but: int = 0) -> Path:
    """Leaves `but` bytes free, whatever others write meanwhile; returns the file that takes up the others."""
    filler = disk / "filler"
    with filler.open("ab") as file:
        while (excess := shutil.disk_usage(disk).free - but) > 0:
            try:
                os.posix_fallocate(file.fileno(), filler.stat().st_size, excess)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    return filler


def make_read_only(disk: Path, read_only: bool = True) -> None:
    """Mounts the disk again, so that nothing on it can be written, or everything again."""
    option = "remount,ro" if read_only else "remount,rw"
    subprocess.run(["mount", "-o", option, str(disk)], check=True)
