"""The rules for keys: the same in every store, and no key leads out of a store."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisperjob.stores import keys

GOOD = (
    "a",
    "trim.json",
    "jobs/0d6e7c1f-1/optimize/1/chunk_000.mp3",
    "uploads/default/talk/0011aabb",
    "a/...",
    "a/.hidden",
    "(it's*fine!)",
    "/".join(["a" * 255, "b" * 255]),
)
BAD = (
    "",
    "/",
    "/etc/passwd",
    "a/",
    "a//b",
    ".",
    "..",
    "../a",
    "a/../b",
    "a/./b",
    "a/..",
    "a b",
    "a\\b",
    "a\0b",
    "a\nb",
    "a%2e",
    "a?b",
    "a#b",
    "a&b",
    "naïve",
    "\N{FULLWIDTH FULL STOP}\N{FULLWIDTH FULL STOP}/a",
    "\udc80",
    "a" * 256,
    "/".join(["a" * 200] * 3),
)


@pytest.mark.parametrize("key", GOOD)
def test_good_keys(key: str) -> None:
    assert keys.is_key(key)
    keys.require_key(key)


@pytest.mark.parametrize("key", BAD)
def test_bad_keys(key: str) -> None:
    assert not keys.is_key(key)
    with pytest.raises(ValueError, match="not a key"):
        keys.require_key(key)


@pytest.mark.parametrize(
    ("prefix", "folder", "listing"),
    [
        ("jobs/", True, True),
        ("jobs/1/", True, True),
        ("jobs/1", False, True),
        ("jobs", False, True),
        ("jobs/.", False, True),
        ("jobs/..", False, True),
        ("", False, True),
        ("/", False, False),
        ("//", False, False),
        ("/jobs/", False, False),
        ("jobs//", False, False),
        ("../", False, False),
        ("jobs/../", False, False),
        ("jobs/../uploads", False, False),
        ("j b/", False, False),
    ],
)
def test_prefixes(prefix: str, folder: bool, listing: bool) -> None:
    assert (keys.is_folder_prefix(prefix), keys.is_listing_prefix(prefix)) == (folder, listing)


@given(st.text(alphabet="ab./\\ é\0", max_size=20))
def test_a_key_never_leads_out_of_a_folder(key: str) -> None:
    if keys.is_key(key):
        assert posixpath.normpath(f"/root/{key}") == f"/root/{key}"


@given(st.text(alphabet="ab./-", min_size=1, max_size=12), st.integers(0, 12))
def test_every_prefix_of_a_key_may_be_listed(key: str, length: int) -> None:
    if keys.is_key(key):
        assert keys.is_listing_prefix(key[:length])
