"""A service that gets into trouble: it is started, killed and started again over one data folder."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaos.promises import Promises
from support.audio.media import write_speech
from support.programs.processes import lives
from support.service.serving import Service
from whisperjob.stores.folder import FolderStore
from whisperjob.stores.port import ObjectStore

SETTLING_SECONDS = 240.0
TENANTS = ("quiet", "busy", "other")
KEYS = {tenant: f"{tenant}-{'0123456789abcdef' * 2}" for tenant in TENANTS}
KEY_SETTING = ",".join(f"{tenant}:{key}" for tenant, key in KEYS.items())
"""The first is the key of the Service's own client."""

_RESULT = re.compile(r"jobs/[^/]+/([^/]+)/")


class Trial:
    """One data folder, and the service over it now."""

    def __init__(self, data: Path, environment: Mapping[str, str] | None, store: ObjectStore | None) -> None:
        self.data = data
        self.environment = {"WHISPERJOB_API_KEYS": KEY_SETTING, **(environment or {})}
        self.store = FolderStore(data / "objects") if store is None else store
        """Where the service stores its objects."""
        self.promises = Promises()
        self.service = Service(data, self.environment)

    def restart(self) -> None:
        """Starts a service where the last one was ended."""
        self.service = Service(self.data, self.environment)

    def accept(self, file: Path, **fields: str) -> str:
        """Uploads a file, and expects the promises to hold for its job."""
        job = self.service.upload(file, **fields)
        self.promises.accept(job)
        return job

    def settle(
        self, *, may_fail_with: Collection[str] = (), timeout: float = SETTLING_SECONDS
    ) -> dict[str, dict[str, Any]]:
        """Waits for the end of all jobs, checks every result, ends the service and looks for what it left behind.

        Returns the end of each job. Only an `errorCode` of `may_fail_with` may end one without a result.
        """
        ends = self.promises.wait_for_ends(self.service, timeout)
        for job, end in ends.items():
            if end["status"] == "error":
                assert end["errorCode"] in may_fail_with, f"job {job}: {end['errorCode']} {end['error']}"
        self.promises.check_results(self.service)
        descendants = self.service.descendants()
        assert self.service.stop() == 0, "".join(self.service.output[-20:])
        assert not any(lives(pid) for pid in descendants), "a worker outlived the service"
        self._find_leftovers(ends)
        return ends

    def _find_leftovers(self, ends: Mapping[str, dict[str, Any]]) -> None:
        """Nothing lies in the scratch folder, and no object is there besides the results of completed jobs."""
        scratch = self.data / "scratch"
        assert not scratch.is_dir() or not list(scratch.iterdir()), list(scratch.iterdir())
        completed = [end for end in ends.values() if end["status"] == "completed"]
        files = [stored.key for prefix in ("jobs/", "uploads/") for stored in self.store.list(prefix)]
        staging = self.data / "objects" / "staging"
        assert not staging.is_dir() or not list(staging.iterdir()), "an unfinished write was left"
        results = [file for file in files if _RESULT.match(file)]
        expected = sum(len(end["chunks"]) + 1 for end in completed)
        owners = {match[1] for file in results if (match := _RESULT.match(file))}
        assert len(owners) == len(completed), f"results of {len(owners)} jobs for {len(completed)}: {results}"
        assert len(results) == expected, f"{len(results)} objects for {expected}: {results}"
        assert not [file for file in files if file.startswith("uploads/")], files

    def end(self) -> None:
        """Ends the service if it still runs."""
        if self.service.process.poll() is None:
            self.service.kill()


@contextmanager
def trial(
    folder: Path, environment: Mapping[str, str] | None = None, store: ObjectStore | None = None
) -> Iterator[Trial]:
    """Runs a service over a data folder in `folder`, and ends it with the block in any case."""
    begun = Trial(folder / "data", environment, store)
    try:
        yield begun
    finally:
        begun.end()


def a_recording(folder: Path, seconds: float) -> Path:
    """Speech of that length; a worker needs about a second of processor time for each of its minutes."""
    return write_speech(folder / f"talk-{seconds:.0f}.wav", seconds=seconds)
