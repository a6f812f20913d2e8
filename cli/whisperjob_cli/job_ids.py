"""Job ids as people type them: the beginning of an id is enough where only one job's id begins so."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from whisperjob_client.errors import NotFoundError, UsageError
from whisperjob_client.models import Job

if TYPE_CHECKING:
    from whisperjob_client.sync_client import Client

_WHOLE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CANDIDATES: Final = 10
"""How many jobs a refusal lists."""


def resolve_job(client: "Client", text: str) -> str:
    """Returns the id that begins with `text`. A whole id is returned as it is, without a look at the list.

    Raises NotFoundError if no id begins so, UsageError with the candidates if several do, and what a client raises.
    """
    wanted = text.strip().lower()
    if not wanted:
        raise UsageError("The job's id is empty.")
    return wanted if _WHOLE.fullmatch(wanted) else choose_job(wanted, client.jobs())


def choose_job(wanted: str, jobs: Iterable[Job]) -> str:
    """Returns the id that is `wanted`, else the only one that begins with it. Pure."""
    candidates = []
    for job in jobs:
        if job.job_id.lower() == wanted:
            return job.job_id
        if job.job_id.lower().startswith(wanted):
            candidates.append(job)
    if not candidates:
        raise NotFoundError(404, "not_found", f"There is no job whose id begins with {wanted!r}.")
    if len(candidates) > 1:
        raise UsageError(f"{len(candidates)} jobs have an id that begins with {wanted!r}: {_list(candidates)}.")
    return candidates[0].job_id


def _list(jobs: list[Job]) -> str:
    listed = "; ".join(f"{job.job_id} ({job.status}, {job.original_filename})" for job in jobs[:_CANDIDATES])
    more = len(jobs) - _CANDIDATES
    return f"{listed}; and {more} more" if more > 0 else listed
