"""Golden files: what was built, stored to be read by people and compared by tests.

`pytest tests/unit [other tests] --update-golden` writes them again; the option is the unit tests', so name those, too.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

Golden = Callable[[Path, str], None]


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with a file that holds what it was, or writes the file."""

    def compare(file: Path, text: str) -> None:
        if request.config.getoption("--update-golden", default=False):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        assert file.exists(), f"{file.name} is missing: run with --update-golden and read it"
        assert text == file.read_text(encoding="utf-8"), f"{file.name} differs: if that is meant, --update-golden"

    return compare
