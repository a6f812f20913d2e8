"""Pages and counts of a tenant's records. Pure.

A cursor names the last job of a page by creation time and name. So new jobs, which come before it, and deleted jobs
do not move the next page.
"""

import base64
import heapq
import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from whisperjob.model.names import is_job_name
from whisperjob.model.phase import Phase
from whisperjob.model.resource import WhisperJob
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.schemas import Stats, TopClient

TOP_CLIENTS = 10
_CURSOR = re.compile(r"(-?\d{1,18})/(.{1,63})")

Position = tuple[int, str]
"""The sort key, newest first: microseconds before the epoch, then the name."""


def filter_by_tenant(jobs: Iterable[WhisperJob], tenant: str) -> list[WhisperJob]:
    """Returns the jobs of a tenant."""
    return [job for job in jobs if job.spec.tenant == tenant]


def list_unfinished(jobs: Iterable[WhisperJob], tenant: str) -> list[WhisperJob]:
    """Returns the jobs of a tenant that are queued or processing."""
    return [job for job in filter_by_tenant(jobs, tenant) if not job.status.phase.terminal]


def take_page(
    jobs: Iterable[WhisperJob], *, phase: Phase | None, limit: int, cursor: str | None
) -> tuple[list[WhisperJob], str | None]:
    """Returns the next `limit` jobs, newest first, and the cursor of the following page.

    Raises RequestError for a cursor that is not valid.
    """
    after = decode_cursor(cursor) if cursor is not None else None
    matching = (
        job
        for job in jobs
        if (phase is None or job.status.phase is phase) and (after is None or _get_position(job) > after)
    )
    newest = heapq.nsmallest(limit + 1, matching, key=_get_position)
    next_cursor = encode_cursor(_get_position(newest[limit - 1])) if len(newest) > limit else None
    return newest[:limit], next_cursor


def _get_position(job: WhisperJob) -> Position:
    return -_to_epoch_microseconds(job.metadata.creation_timestamp), job.name


def _to_epoch_microseconds(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def encode_cursor(position: Position) -> str:
    """Encodes the position of the last job of a page."""
    return base64.urlsafe_b64encode(f"{position[0]}/{position[1]}".encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> Position:
    """Decodes a cursor. Raises RequestError if it is not one that `encode_cursor` returned."""
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        text = ""
    match = _CURSOR.fullmatch(text)
    if match is None or not is_job_name(match[2]):
        raise RequestError(HttpCode.INVALID_REQUEST, "cursor: it is not one this service gave out.")
    return int(match[1]), match[2]


def build_stats(jobs: Iterable[WhisperJob]) -> Stats:
    """Counts the jobs by phase, and the clients with the most jobs."""
    phases: Counter[Phase] = Counter()
    clients: Counter[str] = Counter()
    for job in jobs:
        phases[job.status.phase] += 1
        if job.spec.client_ip:
            clients[job.spec.client_ip] += 1
    top = sorted(clients.items(), key=lambda entry: (-entry[1], entry[0]))[:TOP_CLIENTS]
    return Stats(
        total_jobs=phases.total(),
        queued=phases[Phase.QUEUED],
        processing=phases[Phase.PROCESSING],
        completed=phases[Phase.COMPLETED],
        errored=phases[Phase.ERROR],
        top_clients=[TopClient(ip=ip, requests=requests) for ip, requests in top],
    )
