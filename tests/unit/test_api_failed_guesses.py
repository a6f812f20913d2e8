"""Wrong keys are slowed by address, within a bounded memory."""

import pytest

from whisperjob_api.keys.failed_guesses import FAILURES_A_MINUTE, FailedGuesses, to_bucket


def test_an_address_waits_after_its_failures_of_a_minute() -> None:
    guesses = FailedGuesses()
    for _ in range(FAILURES_A_MINUTE):
        assert guesses.wait_seconds("a", 0) == 0
        guesses.count_failure("a", 0)
    assert guesses.wait_seconds("a", 0) == 2
    assert guesses.wait_seconds("b", 0) == 0
    assert guesses.wait_seconds("a", 2) == 0


def test_whoever_goes_on_guessing_has_so_many_answers_a_minute_and_others_soon_have_theirs() -> None:
    guesses, answered = FailedGuesses(), 0
    for tenth in range(6000):
        if not guesses.wait_seconds("a", tenth / 10):
            guesses.count_failure("a", tenth / 10)
            answered += 1
    assert answered == pytest.approx(11 * FAILURES_A_MINUTE, abs=1)
    assert guesses.wait_seconds("a", 600) <= 2


def test_the_memory_is_bounded_and_the_oldest_gives_way() -> None:
    guesses = FailedGuesses(max_addresses=100)
    for _ in range(FAILURES_A_MINUTE):
        guesses.count_failure("first", 0)
    for number in range(99):
        guesses.count_failure(str(number), 0)
        guesses.prove(str(number), b"digest")
    assert guesses.wait_seconds("first", 0)
    for number in range(1000):
        guesses.count_failure(f"late {number}", 0)
        guesses.prove(f"late {number}", b"digest")
    assert len(guesses) == 200
    assert not guesses.wait_seconds("first", 0)


def test_a_key_is_proved_at_one_address_alone() -> None:
    guesses = FailedGuesses()
    guesses.prove("a", b"right")
    assert guesses.is_proved("a", b"right")
    assert not guesses.is_proved("b", b"right")
    assert not guesses.is_proved("a", b"wrong")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        (None, None, True),
    ],
)
def test_an_ipv6_network_counts_as_one_address(one: str | None, other: str | None, same: bool) -> None:
    assert (to_bucket(one) == to_bucket(other)) is same
