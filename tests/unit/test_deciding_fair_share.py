"""Whose work begins next: tenants take turns, whatever one of them has queued."""

import heapq
import itertools
import random
from collections.abc import Mapping

import pytest

from support.builders import at
from whisperjob.deciding.fair_share import FairShare, Waiting, give_equal_weight

Lengths = Mapping[str, list[float]]


def a_wait(name: str, since: float = 0, priority: int = 0) -> Waiting:
    """An attempt named like its tenant and a number: `alice-3`."""
    return Waiting(name, name.partition("-")[0], priority, at(since))


def simulate(places: int, queued: Lengths, *, weights: Mapping[str, float] | None = None) -> dict[str, list[float]]:
    """Runs all jobs, in seconds each; returns when those of each tenant ended. The first tenant's begin first."""
    share = FairShare(weights.__getitem__ if weights else give_equal_weight)
    lengths = {f"{tenant}-{n}": seconds for tenant, jobs in queued.items() for n, seconds in enumerate(jobs)}
    running: dict[str, str] = {}
    ends: list[tuple[float, str]] = []
    ended: dict[str, list[float]] = {tenant: [] for tenant in queued}
    waiting: list[Waiting] = []
    now = 0.0

    def fill() -> None:
        for one in list(itertools.islice(share.order(waiting, running, now), places - len(running))):
            waiting.remove(one)
            running[one.name] = one.tenant
            heapq.heappush(ends, (now + lengths[one.name], one.name))
        share.order(waiting, running, now)

    for since, (tenant, jobs) in enumerate(queued.items()):
        waiting += [a_wait(f"{tenant}-{n}", since) for n in range(len(jobs))]
        fill()
    while ends:
        now, name = heapq.heappop(ends)
        ended[running.pop(name)].append(now)
        fill()
    return ended


@pytest.mark.parametrize("places", [1, 2, 4])
def test_five_jobs_behind_440_of_another_take_at_most_twice_as_long_as_alone(places: int) -> None:
    few = [1.0] * 5
    alone = max(simulate(places, {"bob": few})["bob"])
    behind = max(simulate(places, {"alice": [1.0] * 440, "bob": few})["bob"])
    assert behind <= 2 * alone


def test_tenants_take_turns() -> None:
    ended = simulate(1, {"alice": [1.0] * 30, "bob": [1.0] * 3, "carol": [1.0] * 3})
    assert ended["bob"] == [2, 5, 8]
    assert ended["carol"] == [3, 6, 9]


def test_long_jobs_get_no_more_time_than_short_ones() -> None:
    ended = simulate(1, {"alice": [10.0] * 20, "bob": [1.0] * 60})
    by_then = max(ended["bob"])
    assert by_then <= 2 * 60 + 10  # its share is a half, and one long job is never interrupted


def test_weights_are_shares_of_the_time() -> None:
    ended = simulate(3, {"alice": [1.0] * 400, "bob": [1.0] * 400}, weights={"alice": 3.0, "bob": 1.0})
    bobs = sum(end <= 100 for end in ended["bob"])
    assert bobs == pytest.approx(75, abs=3)


@pytest.mark.parametrize("seed", range(5))
def test_no_tenant_waits_for_more_than_its_share(seed: int) -> None:
    """With any lengths, a tenant's work is done by the time that its share of the places gives, and one job each."""
    dice = random.Random(seed)
    queued = {f"t{n}": [dice.uniform(0.5, 5) for _ in range(dice.randint(5, 60))] for n in range(6)}
    places = dice.randint(1, 4)
    ended = simulate(places, queued)
    for tenant, jobs in queued.items():
        bound = len(queued) * sum(jobs) / places + 5 * (len(queued) + 1) + 5 * len(queued) / places
        assert max(ended[tenant]) <= bound, tenant


def test_a_priority_orders_the_jobs_of_one_tenant_only() -> None:
    waiting = [a_wait("alice-0", 0), a_wait("alice-1", 1, priority=1000), a_wait("alice-2", 2, priority=1000)]
    waiting += [a_wait("bob-0", 3), a_wait("bob-1", 4, priority=-1000), a_wait("bob-2", 5)]
    names = [one.name for one in FairShare().order(waiting, {}, 0)]
    assert names == ["alice-1", "bob-0", "alice-2", "bob-2", "alice-0", "bob-1"]


def test_what_waits_longest_goes_first_and_equals_stay_as_they_are() -> None:
    waiting = [a_wait("alice-0", 2), a_wait("alice-1", 1), a_wait("alice-2", 1)]
    assert [one.name for one in FairShare().order(waiting, {}, 0)] == ["alice-1", "alice-2", "alice-0"]


def test_nobody_saves_up_time_by_being_idle() -> None:
    share = FairShare()
    waiting = [a_wait(f"alice-{n}") for n in range(3)]
    for second in range(1000):  # alice alone
        share.order(waiting, {f"alice-run-{second}": "alice"}, second)
    late = [a_wait(f"bob-{n}", 1000) for n in range(3)]
    names = [one.name for one in share.order(waiting + late, {}, 1000)]
    assert all(a.partition("-")[0] != b.partition("-")[0] for a, b in itertools.pairwise(names))


def test_going_away_and_coming_back_pays_no_debt() -> None:
    share = FairShare()
    alice, bob = [a_wait("alice-0")], [a_wait("bob-0")]
    share.order(alice + bob, {}, 0)
    share.order(bob, {"alice-long": "alice"}, 0)
    share.order(bob, {}, 100)  # alice had 100 s, and waits for nothing now
    names = [one.name for one in share.order([*alice, *bob, a_wait("bob-1"), a_wait("bob-2")], {}, 101)]
    assert names[:3] == ["bob-0", "bob-1", "bob-2"]


def test_all_are_even_once_nothing_is_left() -> None:
    share = FairShare()
    share.order([], {"alice-long": "alice"}, 0)
    share.order([], {}, 1000)
    names = [one.name for one in share.order([a_wait("alice-0"), a_wait("bob-0", 1)], {}, 1001)]
    assert names == ["alice-0", "bob-0"]
