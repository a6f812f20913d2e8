"""Pages and counts over a tenant's records. Pure.

A cursor names the last job of a page by creation time and name, so that new jobs, which come before it, and deleted
ones move nothing.
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
"""Sorts newest first: microseconds before the epoch, then the name."""


def of_tenant(jobs: Iterable[WhisperJob], tenant: str) -> list[WhisperJob]:
    return [job for job in jobs if job.spec.tenant == tenant]


def page(
    jobs: Iterable[WhisperJob], *, phase: Phase | None, limit: int, cursor: str | None
) -> tuple[list[WhisperJob], str | None]:
    """The next `limit` jobs, newest first, and the cursor of the page after. Raises RequestError for a bad cursor."""
    after = decode_cursor(cursor) if cursor is not None else None
    wanted = (
        job
        for job in jobs
        if (phase is None or job.status.phase is phase) and (after is None or _position(job) > after)
    )
    found = heapq.nsmallest(limit + 1, wanted, key=_position)
    return found[:limit], encode_cursor(_position(found[limit - 1])) if len(found) > limit else None


def _position(job: WhisperJob) -> Position:
    return -_microseconds(job.metadata.creation_timestamp), job.name


def _microseconds(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def encode_cursor(position: Position) -> str:
    return base64.urlsafe_b64encode(f"{position[0]}/{position[1]}".encode()).rstrip(b"=").decode()


def decode_cursor(cursor: str) -> Position:
    """Raises RequestError if we never made this cursor."""
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except ValueError:
        text = ""
    match = _CURSOR.fullmatch(text)
    if match is None or not is_job_name(match[2]):
        raise RequestError(HttpCode.INVALID_REQUEST, "cursor: it is not one this service gave out.")
    return int(match[1]), match[2]


def stats(jobs: Iterable[WhisperJob]) -> Stats:
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
