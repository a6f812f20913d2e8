"""Files in a folder that others can write to, such as /tmp: no link is followed, and nobody else's file is believed."""

import os
from pathlib import Path

import pytest

from whisperjob_client.atomic_files import (
    ensure_private_folder,
    open_private,
    publish,
    read_bounded,
    write_atomically,
)
from whisperjob_client.errors import StorageError


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    file = tmp_path / "precious"
    file.write_bytes(b"mine")
    return file


def mode(file: Path) -> int:
    return file.stat().st_mode & 0o777


def test_a_link_is_replaced_and_not_followed(precious: Path, tmp_path: Path) -> None:
    for name in ("target", "part"):
        (tmp_path / name).symlink_to(precious)
    write_atomically(tmp_path / "target", b"new")
    with open_private(tmp_path / "part") as file:
        file.write(b"bytes")
    publish(tmp_path / "part", tmp_path / "target")
    assert precious.read_bytes() == b"mine"
    assert (tmp_path / "target").read_bytes() == b"bytes"
    assert not (tmp_path / "target").is_symlink()


def test_a_second_name_of_a_file_is_not_written_to(precious: Path, tmp_path: Path) -> None:
    os.link(precious, tmp_path / "part")
    with open_private(tmp_path / "part") as file:
        assert file.read() == b""
        file.write(b"bytes")
    assert precious.read_bytes() == b"mine"


def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "part")
    with open_private(tmp_path / "part") as file:
        file.write(b"bytes")
    assert (tmp_path / "part").read_bytes() == b"bytes"
    os.mkfifo(tmp_path / "answer")
    with pytest.raises(OSError, match="no file of a size"):
        read_bounded(tmp_path / "answer", 10)


def test_an_earlier_part_is_continued(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"one ")
    with open_private(tmp_path / "part") as file:
        file.write(b"two")
    assert (tmp_path / "part").read_bytes() == b"one two"


def test_new_files_are_private_and_changed_permissions_stay(tmp_path: Path) -> None:
    target = tmp_path / "talk.txt"
    write_atomically(target, b"one")
    assert mode(target) == 0o600
    target.chmod(0o644)
    write_atomically(target, b"two")
    assert mode(target) == 0o644


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "answer").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="no file of a size"):
        read_bounded(tmp_path / "answer", 1 << 20)


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "talk.whisperjob").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="is a link"):
        ensure_private_folder(tmp_path / "talk.whisperjob")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder of another user")
def test_a_folder_of_another_user_is_refused_where_anybody_may_make_one(tmp_path: Path) -> None:
    folder = tmp_path / "talk.whisperjob"
    ensure_private_folder(folder)
    assert mode(folder) == 0o700
    os.chown(folder, 12345, 12345)
    ensure_private_folder(folder)
    tmp_path.chmod(0o1777)
    with pytest.raises(StorageError, match="belongs to another user"):
        ensure_private_folder(folder)
