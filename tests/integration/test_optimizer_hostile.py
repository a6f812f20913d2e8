"""The zoo of files that were made to harm (support/audio/hostile_files.py), through the real worker.

Each ends with its right outcome, and what it costs stays below ceilings that hold for all: the points of the zoo.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.audio.hostile_files import Member, members
from support.workers.hostile_run import run_worker
from support.workers.work_server import WorkServer, serving_work
from whisperjob.worker.worker_program import DONE

CPU_SECONDS = 40.0
"""Of the worker and all its programs together. The worst member takes half of it."""

MEMORY_BYTES = 300 * 2**20
"""Of the largest process. A pod has 512 MiB."""

SCRATCH_BYTES = 400 * 2**20
"""Beside the source: ten minutes of silence, twice, take 80 MB."""


@pytest.fixture(scope="module")
def server() -> Iterator[WorkServer]:
    with serving_work(WorkServer()) as serving:
        yield serving


def test_there_are_enough_of_them() -> None:
    names = [member.name for member in members()]
    assert len(names) >= 120
    assert len(names) == len(set(names))


@pytest.mark.parametrize("member", members(), ids=lambda member: member.name)
def test_costs_little_and_ends_as_it_must(member: Member, server: WorkServer, tmp_path: Path) -> None:
    source = tmp_path / "source"
    member.make(source)
    run = run_worker(server, tmp_path, source, member.filename)
    assert run.status == DONE
    assert run.outcome in member.outcomes
    assert "\n" not in run.message
    assert run.cost.cpu_seconds < CPU_SECONDS
    assert run.cost.memory_bytes < MEMORY_BYTES
    assert run.cost.scratch_bytes < SCRATCH_BYTES
