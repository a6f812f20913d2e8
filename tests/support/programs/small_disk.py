"""A small disk of its own, to be filled: a tmpfs, which only root may mount."""

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[Path]:
    """Mounts a disk of this size at `folder`. Skips the test where that is not allowed."""
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root may mount the small disk this fills")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(folder)], capture_output=True, text=True
    )
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
