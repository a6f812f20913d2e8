"""The folder a command leaves its MP3s in: whole, of one recording only, and not there if nothing came of it."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from whisperjob.model.names import MANIFEST_NAME

JOB_NAME: Final = "job.json"
"""Beside the chunks of `local run`, written last: what GET /job said when the job was completed."""

_LISTINGS: Final = (MANIFEST_NAME, JOB_NAME)


@dataclass(frozen=True, slots=True)
class Working:
    """`path` is hidden inside the output, so on the disk that has room for the result."""

    path: Path
    made: tuple[Path, ...]
    """The folders that were not there before, innermost first."""

    def clean_up(self) -> None:
        """Removes all but results; may be called twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        for folder in self.made:
            try:
                folder.rmdir()
            except OSError:  # in use, or gone
                return


@contextmanager
def working_folder(output: Path) -> Iterator[Working]:
    """It goes with the context, and the output with it if nothing was put there. Raises OSError."""
    made = tuple(folder for folder in (output, *output.parents) if not folder.exists())
    output.mkdir(parents=True, exist_ok=True)
    working = Working(Path(tempfile.mkdtemp(prefix=".whisperjob-", dir=output)), made)
    try:
        yield working
    finally:
        working.clean_up()


def remove_earlier(output: Path) -> None:
    """Removes the listings of earlier runs and the files they name: chunks of two recordings must not mix."""
    for listing in (output / name for name in _LISTINGS):
        try:
            names = [str(chunk["filename"]) for chunk in json.loads(listing.read_text(encoding="utf-8"))["chunks"]]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        listing.unlink()
        for name in names:
            (output / Path(name).name).unlink(missing_ok=True)
