"""Which tenant an API key belongs to."""

import pytest

from whisperjob_api.auth import Keyring


@pytest.mark.parametrize(
    ("presented", "tenant"),
    [
        ("plain", "default"),
        ("of-alice", "alice"),
        ("second-of-alice", "alice"),
        ("alice:of-alice", None),
        ("alice", None),
        ("of-alic", None),
        ("of-alice ", None),
        ("", None),
        ("ü", None),
    ],
)
def test_a_key_belongs_to_a_tenant(presented: str, tenant: str | None) -> None:
    assert Keyring(["plain", "alice:of-alice", "alice:second-of-alice"]).find_tenant(presented) == tenant


def test_without_keys_no_request_is_authorized() -> None:
    assert Keyring([]).find_tenant("") is None


@pytest.mark.parametrize("entry", ["", "alice:", ":key", "Alice:key", "alice:with space", "ünicode", "-a:key", "a:b "])
def test_an_invalid_entry_is_refused_without_being_repeated(entry: str) -> None:
    with pytest.raises(ValueError) as caught:
        Keyring([entry])
    assert len(entry) < 4 or entry not in str(caught.value)
