"""What Kubernetes adds to a job: the wait for its worker, and writes to the API server."""

import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cluster.harness import Cluster, Parts
from cluster.installation import Installation
from cluster.measuring import PROGRESS, operator_writes, seconds_to_worker
from support.audio.media import write_speech_video

_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Starting:
    """Seconds from each upload's end to a running container; the operator's writes for a job but for progress."""

    seconds: tuple[float, ...]
    writes: tuple[str, ...]

    @property
    def median_seconds(self) -> float:
        return statistics.median(self.seconds)


def starting(say: Callable[[str], None], *, rounds: int) -> Starting:
    """On a cluster of its own, idle and with the images there. Raises NoClusterError, ImagesError."""
    cluster = Cluster(Parts(say))
    try:
        cluster.start()
        installation = Installation(cluster, "bench")
        installation.install()
        with tempfile.TemporaryDirectory() as folder, installation.client() as client:
            talk = write_speech_video(Path(folder) / "talk.mp4", seconds=_SECONDS)
            measured = []
            writes: list[str] = []
            for _ in range(rounds):
                name, took = seconds_to_worker(client, installation, talk)
                writes = operator_writes(client, cluster, installation, name)
                measured.append(took)
        return Starting(tuple(measured), tuple(what for what in writes if what != PROGRESS))
    finally:
        cluster.stop()
        cluster.remove_logs()
