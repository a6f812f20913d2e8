"""The disk that all workers of this machine share: how much of it each one is given before it starts.

What was promised is never promised twice: to a worker as scratch space, to an upload, or to the results of a job. An
attempt that there is no room for waits until others have ended. One that is alone gets all that there is, because
waiting would not help it.
"""

import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from whisperjob.engine.ports import Launch
from whisperjob.model import defaults
from whisperjob.model.options import AudioOptions
from whisperjob.model.phase import Stage
from whisperjob.model.space import SPARE_BYTES, ScratchShare, SpaceNeed, WorkerUse, estimate_need

log = logging.getLogger(__name__)

RECORDS_BYTES: Final = 32 * 2**20
"""What workers leave free, for the records and for small files of the service."""

_LEAST_BYTES: Final = 16 * 2**20
"""With less than this no worker begins: it would fail before it has decoded two minutes."""

_MORE: Final = 1.1
"""How much more than what was too little is worth another attempt."""


@dataclass(slots=True)
class _Share:
    """What a running worker was given of the disk; its files lie in `folder`."""

    scratch: ScratchShare
    output_bytes: int
    folder: Path | None = None


@dataclass(slots=True)
class WorkerSpace:
    """Shares of the disk of `folder`, for at most `places` workers at a time. One event loop.

    `uploading_bytes` returns what uploads still need of the same disk.
    """

    folder: Path
    places: int = 1
    max_scratch_bytes: int = defaults.MAX_SCRATCH_BYTES
    max_duration: timedelta = defaults.MAX_DURATION
    uploading_bytes: Callable[[], int] = lambda: 0
    _shares: dict[str, _Share] = field(default_factory=dict)
    _too_little: dict[str, int] = field(default_factory=dict)
    """What did not suffice, in bytes, by the uids of jobs."""

    def need(self, source_bytes: int, audio: AudioOptions | None = None) -> SpaceNeed:
        """Estimates what a job needs; see `model.space`."""
        return estimate_need(
            source_bytes, audio, max_scratch_bytes=self.max_scratch_bytes, max_duration=self.max_duration
        )

    def use(self) -> WorkerUse:
        """Returns what the running workers have of the disk."""
        pending = held = 0
        for share in self._shares.values():
            used = 0 if share.folder is None else _size(share.folder)
            held += used
            pending += max(share.scratch.bytes - used, 0)
        return WorkerUse(pending, held)

    @property
    def limit_bytes(self) -> int:
        """The most that a worker may use of this disk: no more than the disk has."""
        return max(min(self.max_scratch_bytes, shutil.disk_usage(self.folder).total - RECORDS_BYTES), 1)

    def reserve(self, launch: Launch) -> bool:
        """Gives the attempt its share of the disk; returns False if there is no room for it now. Raises OSError."""
        need = self.need_of(launch)
        results = need.output_bytes + sum(share.output_bytes for share in self._shares.values())
        free = shutil.disk_usage(self.folder).free - RECORDS_BYTES
        available = free - self.use().pending_bytes - self.uploading_bytes() - results
        least = need.scratch_bytes if self._shares else self._least_alone(launch, need)
        if available < least:
            return False
        equal_share = available // (max(self.places - len(self._shares), 1) + 1)  # one of them is for uploads
        limit = self.limit_bytes
        scratch = ScratchShare(min(max(need.scratch_bytes, equal_share), available, limit), limit)
        self._shares[launch.name] = _Share(scratch, need.output_bytes)
        return True

    def share_of(self, name: str) -> ScratchShare:
        """Returns what the attempt was given of the scratch space."""
        return self._shares[name].scratch

    def begin(self, name: str, folder: Path) -> None:
        """Notes the scratch folder of the attempt."""
        self._shares[name].folder = folder

    def _least_alone(self, launch: Launch, need: SpaceNeed) -> int:
        """Returns with how much an attempt begins that nobody else's end would help; not with what was too little."""
        too_little = self._too_little.get(launch.job.uid, 0)
        return min(max(_LEAST_BYTES, int(too_little * _MORE)), need.scratch_bytes)

    def end(self, launch: Launch, *, used_up: bool) -> None:
        """Takes the share back. With `used_up` it did not suffice: the next attempt waits for the largest share."""
        share = self._shares.pop(launch.name, None)
        if used_up and share is not None:
            log.info("%s: %d MB of scratch space did not suffice", launch.name, share.scratch.bytes // 10**6)
            self._too_little[launch.job.uid] = share.scratch.bytes
        else:
            self._too_little.pop(launch.job.uid, None)

    def need_of(self, launch: Launch) -> SpaceNeed:
        """Estimates what an attempt needs; all that can be given, where an attempt had used up its share."""
        job = launch.job
        if launch.stage is not Stage.OPTIMIZE:
            output = job.status.output
            return SpaceNeed((output.size_bytes if output else 0) + SPARE_BYTES, 0)
        need = self.need(job.spec.source.size_bytes, job.spec.audio_options)
        return SpaceNeed(self.limit_bytes, need.output_bytes) if job.uid in self._too_little else need


def _size(folder: Path) -> int:
    """Returns the size of the files below a folder, as far as they can be read."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    total += _size(Path(entry.path))
                else:
                    total += entry.stat(follow_symlinks=False).st_size
    except OSError:  # the worker removes files while they are counted
        pass
    return total
