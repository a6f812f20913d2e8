"""Runs the client's commands as a program of their own that may not grow, against a hostile server."""

import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MAX_MEMORY_BYTES = 1 << 30
"""Of address space; a command that does nothing unusual needs a third of it."""

KEY = "the-key-that-nobody-else-may-see"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The only line on standard error. Fails if there is another one, or a traceback."""
        assert "Traceback" not in self.err, self.err
        lines = self.err.strip().splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


def run_client(
    url: str, *arguments: str, folder: Path, environment: Mapping[str, str] | None = None, seconds: float = 120
) -> Ended:
    """Runs `python -m whisperjob_client …` in a folder."""

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))

    done = subprocess.run(
        [sys.executable, "-m", "whisperjob_client", *arguments],
        cwd=folder,
        env={
            **os.environ,
            "WHISPERJOB_URL": url,
            "WHISPERJOB_API_KEY": KEY,
            "HOME": str(folder),
            **(environment or {}),
        },
        capture_output=True,
        timeout=seconds,
        preexec_fn=bounded,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
