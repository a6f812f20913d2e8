"""The README's way through a cluster: `make cluster`, and in other terminals its commands, word for word."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.harness import Parts
from cluster.installation import wait_for
from cluster.paths import REPOSITORY
from cluster.recordings import write_long
from support.docs.readme import blocks, page_blocks
from support.programs.environment import unconfigured

pytest_plugins = ["cluster.fixtures"]
pytestmark = pytest.mark.cluster

MINUTES = 40
"""Long enough to see progress move, and still one chunk, which is what the example downloads."""

SETTING = re.compile(r"^(URL|KEY)=.*\n", re.MULTILINE)
ROW = re.compile(r"^(?P<job>\S+) +(?P<status>[A-Z]\w+) +(?P<step>[a-z_]+) +(?P<progress>\d+) ", re.MULTILINE)
ENVIRONMENT = unconfigured()


@contextmanager
def terminal(script: str, output: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A command line at the repository's root; ended by Ctrl-C."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=REPOSITORY,
            env={**ENVIRONMENT, **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


@pytest.mark.timeout(420)
def test_the_readme_s_way(cluster_parts: Parts, tmp_path: Path) -> None:
    (_, making), (_, watching) = blocks("On Kubernetes")
    entering = watching.splitlines()[0]
    folder = tmp_path / "here"
    folder.mkdir()
    write_long(folder / "talk.mp4", MINUTES)
    example = SETTING.sub("", "\n".join(body for kind, body in page_blocks("docs/how-to/curl.md") if kind == "bash"))
    made, watched, said = tmp_path / "made", tmp_path / "watched", tmp_path / "said"

    with terminal(making, made, PORT="0") as cluster:

        def runs() -> bool:
            assert cluster.poll() is None, made.read_text()
            return "Ctrl-C ends it" in made.read_text()

        wait_for(runs, "make cluster", 240)
        with (
            terminal(watching, watched),
            terminal(f"{entering}\ncd '{folder}'\n{example}", said) as walking,
        ):
            wait_for(lambda: walking.poll() is not None, "the walk-through", 150)
            assert walking.returncode == 0, said.read_text()
            wait_for(lambda: "Completed" in watched.read_text(), "kubectl to say so")
    assert {path.name for path in folder.iterdir()} >= {"job.json", "status.json", "output.mp3", "trimmed.mp3"}

    rows = [match.groupdict() for match in ROW.finditer(watched.read_text())]
    progress = [int(row["progress"]) for row in rows]
    assert progress == sorted(progress), watched.read_text()
    moving = {int(row["progress"]) for row in rows if row["status"] == "Processing"}
    assert len(moving) >= 4, watched.read_text()
    assert (rows[-1]["status"], rows[-1]["step"], rows[-1]["progress"]) == ("Completed", "done", "100")

    assert "The cluster is gone." in made.read_text()
    assert not (REPOSITORY / ".cache/cluster/env").exists()
