"""`make bench`: measures, prints the table and stores it in docs/explanation/benchmarks.md."""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench.cluster import Starting, starting
from bench.optimizing import Comparison, compare
from bench.serving import Serving, serving
from bench.sharing import Latency, sharing
from bench.speech import speech
from cluster.harness import NoClusterError
from support.programs.binaries import NoBinaryError
from support.stores.minio_server import MinioServer, find_binary

REPOSITORY = Path(__file__).resolve().parents[2]
_CLUSTER_TITLE = "## On a cluster"
REPORT = REPOSITORY / "docs" / "explanation" / "benchmarks.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--minutes", type=int, default=60, help="length of the recording that is compared")
    parser.add_argument("--rounds", type=int, default=3, help="runs of everything that is quick")
    parser.add_argument(
        "--only",
        choices=("optimizing", "serving", "sharing", "cluster"),
        help="one part; the report is then only printed, but for the cluster's, which is stored by itself",
    )
    arguments = parser.parse_args()
    cache = REPOSITORY / ".cache" / "bench"
    head = _head()
    print(head)

    def store(section: str) -> None:
        """At once: what was measured is not lost with what comes after it."""
        print(section, flush=True)
        if arguments.only in (None, "cluster"):
            REPORT.write_text(_merged(REPORT.read_text(), None if arguments.only else head, [section]))

    if arguments.only in (None, "optimizing"):
        recordings = [speech(cache, minutes) for minutes in (arguments.minutes, 10, 300)]
        store(_optimizing(compare(*recordings, rounds=arguments.rounds), arguments.minutes))
    if arguments.only in (None, "serving"):
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder, _s3(Path(folder)) as s3:
            store(_serving(serving(cache, speech(cache, 1), s3, rounds=arguments.rounds)))
    if arguments.only in (None, "sharing"):
        cache.mkdir(parents=True, exist_ok=True)
        store(_sharing(sharing(cache)))
    if arguments.only in (None, "cluster"):
        store(_cluster(arguments.rounds))


@contextmanager
def _s3(folder: Path) -> Iterator[Mapping[str, str] | None]:
    try:
        server = MinioServer(find_binary(), folder)
    except NoBinaryError as error:
        print(f"without MinIO: {error}", file=sys.stderr)
        yield None
        return
    server.start()
    try:
        yield {
            "WHISPERJOB_S3_ENDPOINT": server.endpoint,
            "WHISPERJOB_S3_ACCESS_KEY": server.access_key,
            "WHISPERJOB_S3_SECRET_KEY": server.secret_key,
            "WHISPERJOB_S3_BUCKET": "bench",
        }
    finally:
        server.stop()


def _merged(before: str, head: str | None, sections: Sequence[str]) -> str:
    """A report with some of its sections replaced. The others stay as they are, also those written by hand.

    Sections are the same if the first word of their headings is."""
    old_head, *old = re.split(r"^(?=## )", before, flags=re.MULTILINE)
    merged = {section.split()[1]: section for section in [*old, *sections]}
    return "\n\n".join(part.strip() for part in (head or old_head, *merged.values())) + "\n"


def _head() -> str:
    ffmpeg = subprocess.run(["ffmpeg", "-version"], check=True, capture_output=True, text=True).stdout.split()[2]
    return f"""# Benchmarks

Made by `make bench` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores ({platform.machine()}), \
ffmpeg {ffmpeg}, Python {platform.python_version()}.
Only ratios within one run mean anything: machines are shared, and absolute times drift with their load.
"""


def _optimizing(costs: Comparison, minutes: int) -> str:
    rows = [
        ("naive: filters + `loudnorm` twice, then `-f segment`", costs.naive),
        ("ffmpeg-normalize, same target and format", costs.ffmpeg_normalize),
        ("`whisperjob local optimize`", costs.whisperjob),
        ("floor: decode alone + encode alone", costs.floor),
    ]
    table = "\n".join(
        f"| {name} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.wall / costs.whisperjob.wall:.2f} |"
        for name, cost in rows
    )
    memory = "\n".join(
        f"| {name} | {grown.ten_minutes:.0f} | {grown.five_hours:.0f} | **{grown.ratio:.2f}** |"
        for name, grown in (("MP4", costs.memory_mp4), ("the same sound in Matroska", costs.memory_matroska))
    )
    return f"""## Optimising {minutes} minutes of speech (48 kHz stereo AAC)

| | wall, s | CPU, s | wall ÷ ours |
| --- | --- | --- | --- |
{table}

- naive ÷ ours: **{costs.naive.wall / costs.whisperjob.wall:.1f}** (to reach: 20)
- ffmpeg-normalize ÷ ours: **{costs.ffmpeg_normalize.wall / costs.whisperjob.wall:.1f}** (to reach: 10)
- ours ÷ floor: **{costs.whisperjob.wall / costs.floor.wall:.2f}** (to reach: 1.5 or less)

| Peak memory of the largest process, MiB | 10 minutes | 5 hours | ratio (to reach: 1) |
| --- | --- | --- | --- |
{memory}
"""


def _serving(rates: Serving) -> str:
    rows = [
        ("500 MB upload to a folder, MB/s", rates.upload_folder, "copy + sha256 + fsync", rates.copy_sha_fsync, 0.7)
    ]
    if rates.upload_s3 and rates.minio_put:
        rows.append(("500 MB upload to MinIO, MB/s", rates.upload_s3, "minio-py `put_object`", rates.minio_put, 0.7))
    rows.append(("GET /job, requests/s", rates.get_job, "bare FastAPI route, same JSON", rates.bare_route, 0.8))
    table = "\n".join(
        f"| {what} | {ours:.0f} | {beside}: {floor:.0f} | **{ours / floor:.2f}** | {reach:.2f} |"
        for what, ours, beside, floor, reach in rows
    )
    return f"""## Serving

| | ours | beside | ratio | to reach |
| --- | --- | --- | --- | --- |
{table}

- From an upload's end to its worker's first report: **{rates.first_progress_seconds:.2f} s** (to reach: under 0.5)
"""


def _sharing(pairs: Sequence[tuple[Latency, Latency]]) -> str:
    rows = "\n".join(
        f"| {beside.name} | {quiet.median * 1000:.1f} | {beside.median * 1000:.1f} | "
        f"**{beside.median / quiet.median:.1f}** | {beside.failed} |"
        for quiet, beside in pairs
    )
    return f"""## Sharing: a tenant's requests beside what another tenant does

| | quiet, median in ms | beside, median in ms | ratio (to reach: 3 or less) | failed |
| --- | --- | --- | --- | --- |
{rows}
"""


def _cluster(rounds: int) -> str:
    try:
        cost = starting(print, rounds=rounds)
    except NoClusterError as error:
        return f"{_CLUSTER_TITLE}\n\nNot measured: {error}.\n"
    return f"""{_CLUSTER_TITLE}

Measured on {datetime.now(UTC):%Y-%m-%d} by `make bench BENCH="--only cluster"`: a cluster of processes on this \
machine, the images there.

- From an upload's end to a running worker's container: **{cost.median_seconds:.2f} s**, the median of \
{len(cost.seconds)}, at most {max(cost.seconds):.2f} s (to reach: under 5)
- The operator's writes for a job: **{len(cost.writes)}** (to reach: at most 8): {_counted(cost)}; progress aside, \
which is written at most once in 2 s
"""


def _counted(cost: Starting) -> str:
    counts = Counter(cost.writes)
    return ", ".join(f"{count} × `{what}`" for what, count in counts.items())


if __name__ == "__main__":
    main()
