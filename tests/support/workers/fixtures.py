"""The fixtures of a single worker, as a pytest plugin: test modules name it in `pytest_plugins`, never import it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.workers.work_server import WorkServer, serving_work


@pytest.fixture
def state() -> Iterator[WorkServer]:
    """The state of a server that listens; it has no work yet."""
    with serving_work(WorkServer()) as serving:
        yield serving


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder
