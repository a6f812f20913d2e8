"""Files of keys are taken over when they change, and only when they can be used."""

import json
import logging
import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from whisperjob_api.keys.key_folder import MAX_FILE_BYTES, change_records, load_records
from whisperjob_api.keys.key_records import KeyFileError, create_key, revoke_key
from whisperjob_api.keys.key_source import KeySource
from whisperjob_api.keys.key_text import hash_key
from whisperjob_api.keys.keyring import KeyEnd
from whisperjob_api.keys.last_use import LAST_USE_NAME, LastUses, load_last_uses
from whisperjob_api.keys.scopes import USUAL_SCOPES

TEXT = "a-key-that-was-chosen"


def create(folder: Path, name: str = "test") -> tuple[str, str]:
    """Returns a new key's id and text."""
    changed = change_records(
        folder, lambda file: create_key(file, name, "alice", USUAL_SCOPES, None, datetime.now(UTC))
    )
    assert changed.text is not None
    return changed.record.id, changed.text


def knows(source: KeySource, text: str) -> bool:
    key = source.keyring.find(hash_key(text))
    return key is not None and key.find_end(datetime.now(UTC)) is None


async def test_keys_come_and_go_without_a_restart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "whisperjob.audit")
    source = KeySource([TEXT], [tmp_path / "keys.json"])
    key_id, text = create(tmp_path)
    assert not knows(source, text)
    await source.refresh()
    assert knows(source, text)
    assert knows(source, TEXT)
    change_records(tmp_path, lambda file: revoke_key(file, key_id, datetime.now(UTC)))
    await source.refresh()
    key = source.keyring.find(hash_key(text))
    assert key is not None
    assert key.find_end(datetime.now(UTC)) is KeyEnd.REVOKED
    lines = [json.loads(record.getMessage()) for record in caplog.records if record.name == "whisperjob.audit"]
    assert lines == [
        {"action": "add_key", "outcome": "done", "key": key_id, "tenant": "alice"},
        {"action": "change_key", "outcome": "revoked", "key": key_id, "tenant": "alice"},
    ]
    assert text not in caplog.text


@pytest.mark.parametrize("broken", [b"", b"{", b'{"version": 1}x', b"\0" * 100, b" " * (MAX_FILE_BYTES + 1)])
async def test_a_broken_file_leaves_the_keys_and_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, broken: bytes
) -> None:
    _, text = create(tmp_path)
    good = (tmp_path / "keys.json").read_bytes()
    source = KeySource([], [tmp_path / "keys.json"])
    (tmp_path / "keys.json").write_bytes(broken)
    for _ in range(3):
        await source.refresh()
    assert knows(source, text)
    assert source.broken_files == 1
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "cannot be used, and its earlier keys stay valid: it is" in errors[0]
    (tmp_path / "keys.json").write_bytes(good)
    await source.refresh()
    assert source.broken_files == 0
    _, another = create(tmp_path)
    await source.refresh()
    assert knows(source, another)


async def test_a_mounted_secret_is_replaced_by_a_link(tmp_path: Path) -> None:
    """The kubelet writes a new folder and renames the link `..data` to it; the files are links through that."""

    def mount(version: str, text: str) -> str:
        folder = tmp_path / version
        folder.mkdir()
        (folder / "api-keys").write_text(f"support:{text}")
        _, made = create(folder)
        (tmp_path / "..data_tmp").symlink_to(version)
        (tmp_path / "..data_tmp").rename(tmp_path / "..data")
        return made

    first = mount("..2026_1", "the-first-key-of-support")
    for name in ("api-keys", "keys.json"):
        (tmp_path / name).symlink_to(f"..data/{name}")
    source = KeySource([], [tmp_path / "api-keys", tmp_path / "keys.json"])
    assert knows(source, "the-first-key-of-support")
    assert knows(source, first)
    second = mount("..2026_2", "the-second-key-of-support")
    await source.refresh()
    assert [knows(source, text) for text in ("the-first-key-of-support", first)] == [False, False]
    assert [knows(source, text) for text in ("the-second-key-of-support", second)] == [True, True]


async def test_a_removed_file_ends_its_keys(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "api-key").write_text(TEXT + "\n")
    source = KeySource([], [tmp_path / "api-key"])
    assert knows(source, TEXT)
    (tmp_path / "api-key").unlink()
    await source.refresh()
    assert not knows(source, TEXT)
    assert "is gone: its keys are not valid any more" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("keys.json", "{", "is no file of keys"),
        ("api-keys", " ,\n", "holds no API key"),
        ("api-keys", "support:short", "too easy to guess"),
    ],
)
def test_a_service_does_not_start_with_a_broken_file(tmp_path: Path, name: str, content: str, sentence: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=rf"the file .*/{name} cannot be used: .*{sentence}"):
        KeySource([], [tmp_path / name])


def test_changes_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    threads = [threading.Thread(target=create, args=(folder, f"key {number}")) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in load_records(folder).keys} == {f"key {number}" for number in range(16)}
    assert stat.S_IMODE((folder / "keys.json").stat().st_mode) == 0o600
    assert sorted(os.listdir(folder)) == [".keys.json.lock", "keys.json"]  # noqa: PTH208 - names, no paths


def test_a_broken_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{")
    with pytest.raises(KeyFileError, match=r"The file .*/keys\.json cannot be used: it is no file of keys"):
        create(tmp_path)
    assert (tmp_path / "keys.json").read_text() == "{"


def test_the_last_use_is_stored_now_and_then(tmp_path: Path) -> None:
    now = datetime(2026, 7, 1, tzinfo=UTC)
    uses = LastUses(tmp_path)
    uses.note("abcdefgh", now)
    uses.write_if_due(now)
    uses.note("abcdefgh", now + timedelta(minutes=1))
    uses.write_if_due(now + timedelta(minutes=1))
    assert load_last_uses(tmp_path) == {"abcdefgh": now}
    uses.write_if_due(now + timedelta(minutes=6))
    assert load_last_uses(tmp_path) == {"abcdefgh": now + timedelta(minutes=1)}
    assert stat.S_IMODE((tmp_path / LAST_USE_NAME).stat().st_mode) == 0o600
    uses.note("abcdefgh", now + timedelta(minutes=7))
    uses.write_if_due(now + timedelta(minutes=7), closing=True)
    assert LastUses(tmp_path).times == {"abcdefgh": now + timedelta(minutes=7)}


def test_a_last_use_that_cannot_be_stored_or_read_is_no_error(tmp_path: Path) -> None:
    (tmp_path / LAST_USE_NAME).write_text("{")
    assert load_last_uses(tmp_path) == {}
    uses = LastUses(tmp_path / "missing")
    uses.note("abcdefgh", datetime.now(UTC))
    uses.write_if_due(datetime.now(UTC))
