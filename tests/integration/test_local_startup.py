"""The errors of a service that cannot start, and that it uses nothing it was not given."""

import os
import socket
import stat
from pathlib import Path

import pytest

from support.programs.small_disk import fill, make_read_only, small_disk
from whisperjob_local.service_settings import make_settings
from whisperjob_local.startup import (
    StartupError,
    bind,
    check_sandbox,
    ensure_api_key,
    find_ffmpeg,
    open_data_folder,
    to_url,
)


def test_one_service_per_data_folder(tmp_path: Path) -> None:
    with open_data_folder(tmp_path / "data"):
        with pytest.raises(StartupError, match="in use by another WhisperJob"), open_data_folder(tmp_path / "data"):
            pass
        with open_data_folder(tmp_path / "other"):
            pass
    with open_data_folder(tmp_path / "data"):
        pass


def test_data_folder_is_its_owners_alone(tmp_path: Path) -> None:
    with open_data_folder(tmp_path / "deep" / "data") as folder:
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700


def test_a_data_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    impossible = open_data_folder(tmp_path / "file" / "data")
    with pytest.raises(StartupError, match=r"cannot be written \(Not a directory\)"), impossible:
        pass


def test_the_key_is_made_once_and_kept_secret(tmp_path: Path) -> None:
    file = tmp_path / "api-key"
    key = ensure_api_key(file)
    assert len(key) >= 32
    assert ensure_api_key(file) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["api-key"]  # noqa: PTH208 - names, no paths


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff\xfe"])
def test_a_spoiled_key_is_not_taken_for_one(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "api-key"
    file.write_bytes(content)
    with pytest.raises(StartupError, match="api-key"):
        ensure_api_key(file)


def test_a_busy_port_is_named() -> None:
    with bind("127.0.0.1", 0) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=f"Port {port} on 127.0.0.1 is taken"):
            bind("127.0.0.1", port)


def test_an_address_that_is_none() -> None:
    with pytest.raises(StartupError, match=r"not\.an\.address\.invalid is no address to listen on"):
        bind("not.an.address.invalid", 0)


def test_nobody_is_let_in_before_it_listens() -> None:
    with bind("127.0.0.1", 0) as bound, pytest.raises(ConnectionRefusedError):
        socket.create_connection(bound.getsockname())


def test_the_url_is_one_that_works() -> None:
    with bind("0.0.0.0", 0) as bound:
        assert to_url(bound) == f"http://127.0.0.1:{bound.getsockname()[1]}"


def test_missing_ffmpeg_says_what_to_install() -> None:
    with pytest.raises(StartupError, match="apt-get install ffmpeg"):
        find_ffmpeg("no-such-ffmpeg")


def test_a_required_sandbox_that_is_not_whole_says_what_is_missing(tmp_path: Path) -> None:
    script = tmp_path / "ffmpeg"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(StartupError, match=r"The sandbox is required \(WHISPERJOB_SANDBOX\), but .* is a script\.$"):
        check_sandbox(str(script))


def test_the_command_line_beats_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "9000")
    monkeypatch.setenv("DATA_DIR", "/srv/from-environment")
    monkeypatch.setenv("WHISPERJOB_API_KEYS", "one,team:two")
    settings = make_settings(port=0, workers=3)
    assert (settings.local.port, settings.local.workers) == (0, 3)
    assert settings.local.data_dir == Path("/srv/from-environment")
    assert [key.get_secret_value() for key in settings.api.api_keys] == ["one", "team:two"]


@pytest.mark.parametrize(
    ("name", "value"), [("WHISPERJOB_PORT", "eighty"), ("WHISPERJOB_TRUSTED_PROXIES", "10.0.0.0/8,nowhere")]
)
def test_a_setting_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartupError, match=rf"^The setting {name} is wrong: [^\[\]]*\.$"):
        make_settings()


def test_a_data_folder_on_a_read_only_disk_is_one_sentence(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 32) as disk:
        with open_data_folder(disk / "data"):
            pass
        make_read_only(disk)
        impossible = open_data_folder(disk / "data")
        with pytest.raises(StartupError, match=r"cannot be written \(Read-only file system\)"), impossible:
            pass


def test_a_key_that_does_not_fit_is_not_half_written(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:
        filler = fill(disk)
        with pytest.raises(StartupError, match="No space left"):
            ensure_api_key(disk / "api-key")
        assert [file.name for file in disk.iterdir()] == ["filler"]
        filler.unlink()
        assert len(ensure_api_key(disk / "api-key")) >= 32
