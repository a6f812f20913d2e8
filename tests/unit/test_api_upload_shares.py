"""Who may wait for an upload slot, and whose upload ends for it."""

import pytest

from whisperjob.deciding.fair_share import give_equal_weight
from whisperjob_api.upload_rate import ArrivalRate
from whisperjob_api.upload_slots import HeldSlot, choose_to_end, may_wait

SLOW = 65_536
WEIGHTS = {"a": 3.0, "b": 1.0, "c": 1.0}


@pytest.mark.parametrize(
    ("held", "waiting", "tenant", "may"),
    [
        pytest.param("aaaa", "", "b", True, id="one holds all"),
        pytest.param("aaaa", "", "a", False, id="the one that holds all"),
        pytest.param("aaab", "", "b", True, id="one more is its share"),
        pytest.param("aabb", "", "b", False, id="it has its share"),
        pytest.param("aaaa", "bb", "b", False, id="as many as its share wait already"),
        pytest.param("aaaa", "b", "c", True, id="another that waits"),
        pytest.param("abcd", "", "e", True, id="one without a slot"),
        pytest.param("abcd", "e", "e", False, id="only one of them"),
        pytest.param("a", "", "b", True, id="a single slot"),
    ],
)
def test_who_may_wait(held: str, waiting: str, tenant: str, may: bool) -> None:
    assert may_wait(tenant, list(held), list(waiting), give_equal_weight) is may


@pytest.mark.parametrize(
    ("held", "waited", "ended"),
    [
        pytest.param([("a", 9e6, 60), ("a", 4e3, 60), ("a", 5e3, 60)], 0, 1, id="the slowest at once"),
        pytest.param([("a", 9e6, 60), ("a", 7e6, 60)], 0, None, id="fast ones have a moment"),
        pytest.param([("a", 9e6, 60), ("a", 7e6, 60)], 2, 1, id="and then end as well"),
        pytest.param([("a", 0, 1), ("a", 0, 2.9)], 0, None, id="too young to be slow"),
        pytest.param([("a", 4e3, 60), ("c", 1e3, 60), ("a", 5e3, 60)], 0, 0, id="of whoever holds most"),
        pytest.param([("a", 4e3, 60), ("c", 9e6, 60)], 0, 0, id="slow, of a tenant with its share"),
        pytest.param([("a", 9e6, 60), ("c", 9e6, 60)], 9, None, id="fast ones, of tenants with their shares"),
        pytest.param([("a", 4e3, 60), ("b", 9e6, 60)], 9, None, id="nobody ends for one with its share"),
        pytest.param([("b", 1e3, 60), ("b", 1e3, 60)], 9, None, id="never one's own"),
    ],
)
def test_whose_upload_ends(held: list[tuple[str, float, float]], waited: float, ended: int | None) -> None:
    slots = [HeldSlot(tenant, rate, age) for tenant, rate, age in held]
    assert choose_to_end("b", waited, slots, SLOW, give_equal_weight) == ended


def test_an_upload_that_has_arrived_keeps_its_slot() -> None:
    slots = [HeldSlot("a", 0, 60, may_lose=False), HeldSlot("a", 5e3, 60)]
    assert choose_to_end("b", 9, slots, SLOW, give_equal_weight) == 1


@pytest.mark.parametrize(("held", "ended"), [("aaaa", 0), ("aaab", None), ("aaabb", None)])
def test_a_weight_gives_more_slots(held: str, ended: int | None) -> None:
    slots = [HeldSlot(tenant, 1e6, 60) for tenant in held]
    assert choose_to_end("b", 9, slots, SLOW, WEIGHTS.__getitem__) == ended


def test_shares_settle() -> None:
    """Taking slots from each other ends: two tenants that want all come to half each, and stay there."""
    held = ["a"] * 16
    for tenant in "bababababababababababababab":
        index = choose_to_end(tenant, 9, [HeldSlot(one, 1e6, 60) for one in held], SLOW, give_equal_weight)
        if index is not None:
            held[index] = tenant
    assert sorted(held) == ["a"] * 8 + ["b"] * 8


def test_a_fast_start_is_soon_forgotten() -> None:
    rate = ArrivalRate(0.0)
    rate.add(100_000_000, 1.0)
    assert rate.bytes_per_second(2.0) == 50_000_000
    for second in range(3, 20):
        rate.add(4096, float(second))
    assert rate.bytes_per_second(20.0) == pytest.approx(4096, rel=0.3)


def test_a_stalled_upload_has_no_rate() -> None:
    rate = ArrivalRate(0.0)
    rate.add(1_000_000, 0.5)
    assert rate.bytes_per_second(8.0) > 0
    assert rate.bytes_per_second(100.0) < 100_000
    assert rate.bytes_per_second(200.0) == 0
