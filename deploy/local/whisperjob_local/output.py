"""The output folder of a command: it has all MP3s of one recording, or it does not exist."""

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
"""Beside the chunks of `local run`, written last: the answer of GET /job for the completed job."""

_LISTINGS: Final = (MANIFEST_NAME, JOB_NAME)


@dataclass(frozen=True, slots=True)
class WorkingFolder:
    """A hidden folder inside the output folder, so that it is on the disk of the results."""

    path: Path
    created: tuple[Path, ...]
    """The output folder and its parents, as far as they did not exist before; innermost first."""

    def clean_up(self) -> None:
        """Removes everything but results; idempotent."""
        shutil.rmtree(self.path, ignore_errors=True)
        for folder in self.created:
            try:
                folder.rmdir()
            except OSError:  # it has results, or is gone
                return


@contextmanager
def create_working_folder(output: Path) -> Iterator[WorkingFolder]:
    """Creates a folder that is removed with the context, and the output folder with it if it has no results by then.

    Raises OSError.
    """
    created = tuple(folder for folder in (output, *output.parents) if not folder.exists())
    output.mkdir(parents=True, exist_ok=True)
    working = WorkingFolder(Path(tempfile.mkdtemp(prefix=".whisperjob-", dir=output)), created)
    try:
        yield working
    finally:
        working.clean_up()


def remove_previous_results(output: Path) -> None:
    """Removes the listings of earlier runs and the files they name: the chunks of two recordings must not mix."""
    for listing in (output / name for name in _LISTINGS):
        try:
            names = [str(chunk["filename"]) for chunk in json.loads(listing.read_text(encoding="utf-8"))["chunks"]]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        listing.unlink()
        for name in names:
            (output / Path(name).name).unlink(missing_ok=True)
