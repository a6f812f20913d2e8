"""Which tenant an API key of the settings belongs to, and which keys are refused."""

import pytest

from whisperjob_api.keys.key_text import hash_key
from whisperjob_api.keys.keyring import Keyring, parse_entries
from whisperjob_api.keys.scopes import Scope

KEYS = ["a-plain-key-of-20-chars", "alice:the-first-key-of-alice", "alice:the-second-key-of-alice"]


@pytest.mark.parametrize(
    ("presented", "tenant"),
    [
        ("a-plain-key-of-20-chars", "default"),
        ("the-first-key-of-alice", "alice"),
        ("the-second-key-of-alice", "alice"),
        ("alice:the-first-key-of-alice", None),
        ("alice", None),
        ("the-first-key-of-alic", None),
        ("the-first-key-of-alice ", None),
        ("", None),
        ("ü", None),
    ],
)
def test_a_key_belongs_to_a_tenant(presented: str, tenant: str | None) -> None:
    key = Keyring(parse_entries(KEYS, "setting")).find(hash_key(presented))
    assert (key and key.tenant) == tenant
    assert key is None or key.scopes == {*Scope}


def test_without_keys_no_request_is_authorized() -> None:
    assert Keyring(parse_entries([], "setting")).find(hash_key("")) is None


LONG = "0123456789abcdef0123456789"


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "alice:",
        f":{LONG}",
        f"Alice:{LONG}",
        f"alice:with space {LONG}",
        f"ünicode{LONG}",
        f"-a:{LONG}",
        f"a:b {LONG}",
    ],
)
def test_an_invalid_entry_is_refused_without_being_repeated(entry: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_entries([entry], "setting")
    assert LONG not in str(caught.value)


@pytest.mark.parametrize("key", ["x", "test", "changeme", "0123456789abcdefghi", "testtesttesttesttest", "a" * 64])
@pytest.mark.parametrize("tenant", ["", "alice:"])
def test_a_key_that_is_easy_to_guess_is_refused(tenant: str, key: str) -> None:
    with pytest.raises(ValueError, match="too easy to guess: it needs at least 20 characters") as caught:
        parse_entries([tenant + key], "setting")
    assert len(key) < 8 or key not in str(caught.value)


def test_two_tenants_cannot_share_a_key() -> None:
    with pytest.raises(ValueError, match="two tenants have the same API key"):
        parse_entries([f"alice:{LONG}", f"bob:{LONG}"], "setting")
    assert len(parse_entries([f"alice:{LONG}", f"alice:{LONG}"], "setting")) == 1
