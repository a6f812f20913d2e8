"""The folder a command leaves its MP3s in: whole, and of one recording only."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def working_folder(output: Path) -> Iterator[Path]:
    """A hidden folder inside `output`, so on the disk that has room for the result; it goes with the context."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".whisperjob-", dir=output, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def remove_earlier(output: Path, listing_name: str) -> None:
    """Removes the listing of an earlier run and the files it names: chunks of two recordings must not mix."""
    listing = output / listing_name
    try:
        names = [str(chunk["filename"]) for chunk in json.loads(listing.read_text(encoding="utf-8"))["chunks"]]
    except (OSError, ValueError, KeyError, TypeError):
        return
    listing.unlink()
    for name in names:
        (output / Path(name).name).unlink(missing_ok=True)
