"""How long a tenant who does little waits for answers, in quiet and in trouble."""

import time
from collections.abc import Sequence

import httpx

from chaos.trial import KEYS
from support.service.serving import Service

MOST_TIMES_SLOWER = 3.0
_PAUSE_SECONDS = 0.02
_FLOOR_SECONDS = 0.02
"""Below this, a user notices nothing, and the ratio would be one of the machine's moods."""


def latencies(service: Service, seconds: float, tenant: str = "other") -> list[float]:
    """Asks for the tenant's jobs for that long, one request at a time, each over a connection of its own.

    Returns the seconds of each answer. Raises AssertionError if one is refused.
    """
    end = time.monotonic() + seconds
    taken = []
    while time.monotonic() < end:
        begun = time.perf_counter()
        with httpx.Client(base_url=service.url, headers={"X-API-Key": KEYS[tenant]}, timeout=30) as client:
            answer = client.get("/jobs")
        taken.append(time.perf_counter() - begun)
        assert answer.status_code == 200, f"another tenant gets {answer.status_code}: {answer.text[:200]}"
        time.sleep(_PAUSE_SECONDS)
    return taken


def median(taken: Sequence[float]) -> float:
    return sorted(taken)[len(taken) // 2]


def compared(quiet: Sequence[float], busy: Sequence[float]) -> str:
    """Returns both medians as a phrase. Raises AssertionError if the busy one is more than three times the quiet."""
    before, during = median(quiet), median(busy)
    assert during <= MOST_TIMES_SLOWER * max(before, _FLOOR_SECONDS), (
        f"{before:.3f} s in quiet, {during:.3f} s in trouble"
    )
    return f"another tenant's request took {during * 1000:.0f} ms (median; {before * 1000:.0f} ms in quiet)"
