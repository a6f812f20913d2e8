"""Whether the events of the watches still arrive."""

from support.kubernetes.paths import REPOSITORY
from whisperjob_operator.watch_health import WatchHealth

AFTER = 60.0


def a_watch_health() -> WatchHealth:
    return WatchHealth(("jobs", "pods"), AFTER)


def test_a_silent_watch_is_not_dead() -> None:
    assert a_watch_health().dead_watches(10_000) == ()


def test_an_observed_version_must_arrive_as_an_event() -> None:
    health = a_watch_health()
    health.expect_event("jobs", "u", 5, now=0)
    assert health.dead_watches(59) == ()
    assert health.dead_watches(60) == ("jobs",)


def test_a_version_that_an_event_brought_is_not_expected() -> None:
    health = a_watch_health()
    health.expect_event("jobs", "u", 5, now=0)
    health.record_event("jobs", "u", 5, now=1)
    health.expect_event("jobs", "u", 4, now=2)
    assert health.dead_watches(100) == ()


def test_an_older_event_is_not_enough() -> None:
    health = a_watch_health()
    health.record_event("jobs", "u", 4, now=0)
    health.expect_event("jobs", "u", 5, now=1)
    assert health.dead_watches(61) == ("jobs",)


def test_further_writes_do_not_hide_a_dead_watch() -> None:
    health = a_watch_health()
    for second in range(120):
        health.expect_event("jobs", "u", second + 1, now=second)
    assert health.dead_watches(120) == ("jobs",)


def test_one_event_missed_in_a_relist_does_not_count() -> None:
    health = a_watch_health()
    health.expect_event("jobs", "u", 5, now=0)
    health.record_event("jobs", "other", 9, now=30)
    assert health.dead_watches(60) == ()


def test_a_watch_that_dies_later_is_noticed() -> None:
    health = a_watch_health()
    health.record_event("jobs", "u", 1, now=0)
    health.expect_event("jobs", "u", 2, now=10)
    assert health.dead_watches(70) == ("jobs",)
    health.record_event("jobs", "u", 2, now=71)
    assert health.dead_watches(72) == ()


def test_a_deleted_object_is_not_expected() -> None:
    health = a_watch_health()
    health.expect_event("pods", "u", 5, now=0)
    health.record_event("pods", "u", 4, now=1, deleted=True)
    assert health.dead_watches(100) == ()


def test_python_still_finds_its_own_operator_module() -> None:
    """With an __init__.py in operator/, `import argparse` in the repository's root fails."""
    assert not (REPOSITORY / "operator" / "__init__.py").exists()
