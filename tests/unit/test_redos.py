"""No regular expression of the product takes more than linear time, whatever text somebody chose."""

import re
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support.patterns import Usage, find_usages, nested_repeats, words_of
from whisperjob_optimizer import file_signatures, foreign_files

USAGES = find_usages()
SIZE = 1000
ENOUGH_SECONDS = 0.25
"""Of processor time for 4,000 characters: linear expressions take some milliseconds."""


def seconds(work: Callable[[], object]) -> float:
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


def assert_linear(work: Callable[[str], object], prefix: str, word: str, suffix: str) -> None:
    """Runs it on n characters and on 4n: a quadratic expression takes 16 times as long, a linear one 4 times."""
    short, long = (prefix + word * (size // len(word)) + suffix for size in (SIZE, 4 * SIZE))
    before = seconds(lambda: work(short))
    assert before < ENOUGH_SECONDS, f"{before:.2f} s for {len(short)} characters"
    after = seconds(lambda: work(long))
    assert after < max(0.02, 9 * before), f"{before:.4f} s, and {after:.4f} s for four times as much"


def test_the_expressions_are_found() -> None:
    assert len(USAGES) > 80
    assert {usage.place.split(".")[0] for usage in USAGES} >= {
        *("whisperjob", "whisperjob_api", "whisperjob_client", "whisperjob_cli", "whisperjob_optimizer")
    }


@pytest.mark.parametrize("usage", USAGES, ids=lambda usage: f"{usage.place}-{usage.function}")
def test_no_repeat_holds_another_that_tries_again(usage: Usage) -> None:
    assert not nested_repeats(usage.pattern), f"{usage.place}: {usage.pattern.pattern!r}"


@pytest.mark.parametrize("slow", [r"(a+)+b", r"(?:\s*x?)*y", r"(?:#[^\n]*\s*)*file", r"(?s)(?:<!--.*?-->)*z"])
def test_nested_repeats_are_found(slow: str) -> None:
    assert nested_repeats(re.compile(slow))


@pytest.mark.parametrize(
    "fast", [r"(?:#[^\n]*+\s*+)*+file", r"(?:<!--(?>.*?-->)\s*+)*+x", r"[a-z]+\d{3}", r"(?:ab){0,9}"]
)
def test_possessive_repeats_are_none(fast: str) -> None:
    assert not nested_repeats(re.compile(fast))


@pytest.mark.parametrize("usage", USAGES, ids=lambda usage: f"{usage.place}-{usage.function}")
def test_redos(usage: Usage) -> None:
    """Every part of the expression, repeated, after every beginning that it may have."""
    words = words_of(usage.pattern)
    beginnings = ["", *(word for word in words if len(word) < 40)][:12]
    for word in dict.fromkeys([*words, "\n", " ", "a", "1", "<"]):
        for prefix in beginnings:
            assert_linear(usage.run, prefix, word, "\0!")


TEXTS = st.text(alphabet="\n \t#<!->?x=:\"'{[a1/,", min_size=1, max_size=6) | st.sampled_from(
    [
        "<!---->",
        "<?xml?>",
        "<!DOCTYPE a>",
        "#\n",
        "file ",
        "http://a",
        "data:a,",
        "a: b\n",
        "a:\n ",
        "--a\r\n",
        "<svg",
        "\r\n",
    ]
)


@given(prefix=TEXTS | st.just(""), word=TEXTS, suffix=TEXTS)
@example("", "\n", "x")
@example("<?xml?>", "<!---->", "x")
@example("", "A\n", "!")
@example("", " ", "#")
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_sniffing_is_linear(prefix: str, word: str, suffix: str) -> None:
    def sniff(text: str) -> None:
        head = text.encode()
        file_signatures.is_playlist(head)
        foreign_files.describe_archive(head)
        foreign_files.describe(head, index_missing=False)

    assert_linear(sniff, prefix, word, suffix)
