"""The text of keys, their records, and what routes need of them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from support.docs.reference_api import describe_api
from whisperjob_api.keys.audit import AUDITED_ROUTES
from whisperjob_api.keys.key_records import (
    EndedKeyError,
    KeyFile,
    KeyFileError,
    UnknownKeyError,
    create_key,
    parse_key_file,
    revoke_key,
    rotate_key,
)
from whisperjob_api.keys.key_text import hash_key, is_made_key, make_key
from whisperjob_api.keys.keyring import KeyEnd, Keyring, from_records
from whisperjob_api.keys.scopes import ROUTE_SCOPES, USUAL_SCOPES, Scope, allows, find_route
from whisperjob_cli.keys import ScopeName

NOW = datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def test_every_route_has_its_scope_and_no_other_is_listed() -> None:
    document = asyncio.run(describe_api())
    routes = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    pages = {("GET", path) for path in ("/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json")}
    assert {(method, path) for method, path in ROUTE_SCOPES} == routes | pages
    keyless = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "security" not in operation
    }
    assert {route for route, scope in ROUTE_SCOPES.items() if scope is None} == keyless | pages


def test_every_route_that_changes_something_is_audited_and_is_not_reading() -> None:
    changing = {route for route in ROUTE_SCOPES if route[0] != "GET"}
    assert changing == set(AUDITED_ROUTES)
    assert all(ROUTE_SCOPES[route] in (Scope.SUBMIT, Scope.DELETE) for route in changing)


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/job/x", ("GET", "/job/{job_id}")),
        ("DELETE", "/job/x", ("DELETE", "/job/{job_id}")),
        ("GET", "/job/x/download/output.mp3", ("GET", "/job/{job_id}/download/{filename}")),
        ("PUT", "/job/x", None),
        ("GET", "/job/x/other", None),
    ],
)
def test_a_request_is_found_in_the_table(method: str, path: str, route: tuple[str, str] | None) -> None:
    assert find_route(method, path) == route


def test_admin_may_do_everything_and_others_what_they_say() -> None:
    assert all(allows(frozenset({Scope.ADMIN}), scope) for scope in Scope)
    assert not allows(USUAL_SCOPES, Scope.ADMIN)
    assert not allows(frozenset({Scope.READ}), Scope.DELETE)


def test_the_command_has_the_services_scopes() -> None:
    assert [str(scope) for scope in ScopeName] == [str(scope) for scope in Scope]


def test_a_made_key_knows_its_own_mistakes() -> None:
    keys = [make_key() for _ in range(200)]
    assert len({key.text for key in keys}) == 200
    for key in keys:
        assert key.text.startswith(f"wj_{key.id}_")
        assert len(key.text) == 61
        assert is_made_key(key.text)
    text = keys[0].text
    for place in range(3, 61):
        other = text[:place] + ("a" if text[place] != "a" else "b") + text[place + 1 :]
        assert not is_made_key(other)
    assert not is_made_key(text[:-1])
    assert not is_made_key(text + "\n")


def test_a_record_has_the_hash_and_not_the_key() -> None:
    created = create_key(KeyFile(), "of CI", "alice", {Scope.SUBMIT, Scope.READ}, 90 * DAY, NOW)
    assert created.text is not None
    assert created.text not in created.file.model_dump_json()
    assert parse_key_file(created.file.model_dump_json(by_alias=True).encode()) == created.file
    found = Keyring(from_records(created.file)).find(hash_key(created.text))
    assert found is not None
    assert (found.id, found.tenant) == (created.record.id, "alice")
    assert found.scopes == {Scope.SUBMIT, Scope.READ}
    assert found.find_end(NOW + 90 * DAY - timedelta(seconds=1)) is None
    assert found.find_end(NOW + 90 * DAY) is KeyEnd.EXPIRED


@pytest.mark.parametrize(
    ("name", "tenant", "sentence"),
    [("", "alice", "name has 1 to"), ("a\nb", "alice", "name has"), ("a\x1b[1m", "alice", "name"), ("a", "A", "DNS")],
)
def test_what_does_not_fit_is_named(name: str, tenant: str, sentence: str) -> None:
    with pytest.raises(KeyFileError, match=sentence):
        create_key(KeyFile(), name, tenant, USUAL_SCOPES, None, NOW)


def test_a_key_is_revoked_once_and_for_all() -> None:
    created = create_key(KeyFile(), "a", "alice", USUAL_SCOPES, None, NOW)
    file = revoke_key(created.file, created.record.id, NOW + DAY).file
    assert file.find(created.record.id).ended_at(NOW + DAY) == NOW + DAY
    assert revoke_key(file, created.record.id, NOW + 2 * DAY).file == file
    assert file.find(created.record.id).ended_at(NOW) is not None  # also on a machine whose clock is behind
    (key,) = from_records(file).values()
    assert key.find_end(NOW - DAY) is KeyEnd.REVOKED
    with pytest.raises(UnknownKeyError, match="'nosuchid'"):
        revoke_key(file, "nosuchid", NOW)


@pytest.mark.parametrize(
    ("lifetime", "overlap", "old_ends"),
    [
        pytest.param(None, DAY, NOW + 11 * DAY, id="for ever"),
        pytest.param(90 * DAY, DAY, NOW + 11 * DAY, id="for a while"),
        pytest.param(10 * DAY + timedelta(hours=1), DAY, NOW + 10 * DAY + timedelta(hours=1), id="almost over"),
        pytest.param(None, timedelta(0), NOW + 10 * DAY, id="at once"),
    ],
)
def test_a_rotated_key_overlaps_with_its_successor(
    lifetime: timedelta | None, overlap: timedelta, old_ends: datetime
) -> None:
    first = create_key(KeyFile(), "a", "alice", {Scope.READ}, lifetime, NOW)
    then = NOW + 10 * DAY
    second = rotate_key(first.file, first.record.id, overlap, then)
    old, new = second.file.find(first.record.id), second.record
    assert old.ended_at(old_ends) == old_ends
    assert (old.ended_at(old_ends - timedelta(seconds=1)) is None) == (overlap > timedelta(0))
    assert (new.name, new.tenant, new.scopes) == ("a", "alice", (Scope.READ,))
    assert new.expires_at == (None if lifetime is None else then + lifetime)
    with pytest.raises(EndedKeyError, match=f"{first.record.id} was rotated already: {new.id} follows"):
        rotate_key(second.file, first.record.id, overlap, then)


def test_a_key_that_ended_long_ago_leaves_the_list() -> None:
    first = create_key(KeyFile(), "a", "alice", USUAL_SCOPES, DAY, NOW)
    recent = create_key(first.file, "b", "alice", USUAL_SCOPES, None, NOW + 60 * DAY)
    assert len(recent.file.keys) == 2
    assert [key.name for key in create_key(recent.file, "c", "a", USUAL_SCOPES, None, NOW + 92 * DAY).file.keys] == [
        "b",
        "c",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"version": 2, "keys": []}',
        b'{"keys": [{"id": "abcdefgh"}]}',
        b'{"keys": [], "restriction": "of a later version"}',
        b'{"keys": ' + b"[" * 100_000,
        b"\xff\xfe",
    ],
    ids=lambda content: repr(content[:30]),
)
def test_a_damaged_file_is_one_sentence(content: bytes) -> None:
    with pytest.raises(KeyFileError, match=r"^it is no file of keys \([^\n]{1,200}\)$"):
        parse_key_file(content)


def test_two_records_of_one_id_are_refused() -> None:
    record = create_key(KeyFile(), "a", "alice", USUAL_SCOPES, None, NOW).record
    twice = f'{{"keys": [{record.model_dump_json(by_alias=True)}, {record.model_dump_json(by_alias=True)}]}}'
    with pytest.raises(KeyFileError, match="two keys have the same id"):
        parse_key_file(twice.encode())
