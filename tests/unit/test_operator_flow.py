"""The proof that events flow."""

from support.kubernetes.paths import REPOSITORY
from whisperjob_operator.watch_health import WatchHealth

AFTER = 60.0


def a_flow() -> WatchHealth:
    return WatchHealth(("jobs", "pods"), AFTER)


def test_silence_is_no_blindness() -> None:
    assert a_flow().blind(10_000) == ()


def test_what_was_learnt_must_be_told() -> None:
    flow = a_flow()
    flow.expect("jobs", "u", 5, now=0)
    assert flow.blind(59) == ()
    assert flow.blind(60) == ("jobs",)


def test_what_was_told_is_not_expected() -> None:
    flow = a_flow()
    flow.expect("jobs", "u", 5, now=0)
    flow.told("jobs", "u", 5, now=1)
    flow.expect("jobs", "u", 4, now=2)
    assert flow.blind(100) == ()


def test_an_older_event_does_not_do() -> None:
    flow = a_flow()
    flow.told("jobs", "u", 4, now=0)
    flow.expect("jobs", "u", 5, now=1)
    assert flow.blind(61) == ("jobs",)


def test_writing_on_does_not_hide_a_dead_watch() -> None:
    flow = a_flow()
    for second in range(120):
        flow.expect("jobs", "u", second + 1, now=second)
    assert flow.blind(120) == ("jobs",)


def test_one_event_missed_in_a_relist_is_no_blindness() -> None:
    flow = a_flow()
    flow.expect("jobs", "u", 5, now=0)
    flow.told("jobs", "other", 9, now=30)
    assert flow.blind(60) == ()


def test_a_watch_that_dies_later_is_noticed() -> None:
    flow = a_flow()
    flow.told("jobs", "u", 1, now=0)
    flow.expect("jobs", "u", 2, now=10)
    assert flow.blind(70) == ("jobs",)
    flow.told("jobs", "u", 2, now=71)
    assert flow.blind(72) == ()


def test_the_deleted_is_not_expected() -> None:
    flow = a_flow()
    flow.expect("pods", "u", 5, now=0)
    flow.told("pods", "u", 4, now=1, deleted=True)
    assert flow.blind(100) == ()


def test_python_still_finds_its_own_operator_module() -> None:
    """With an __init__.py in operator/, `import argparse` from the repository's root dies."""
    assert not (REPOSITORY / "operator" / "__init__.py").exists()
