"""`whisperjob keys` beside a service that runs: what an operator does, and when it takes effect."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from support.programs.environment import unconfigured
from support.service.serving import Service, served
from support.waiting import until_sync

PROGRAM = str(Path(sys.executable).with_name("whisperjob"))


def keys(*arguments: str, folder: Path, code: int = 0) -> tuple[str, str]:
    """Runs a command; returns what it printed on standard output and on standard error."""
    done = subprocess.run(
        [PROGRAM, "keys", *arguments, "--folder", str(folder)], env=unconfigured(), capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.strip(), done.stderr.strip()


def status(service: Service, key: str, method: str = "GET", path: str = "/jobs") -> int:
    return httpx.request(
        method, service.url + path, headers={"X-API-Key": key}, trust_env=False, timeout=30
    ).status_code


def test_keys_are_made_rotated_and_revoked_while_a_service_runs(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with served(data) as service:
        first, shown = keys("create", "CI", "--tenant", "support", "--scope", "read", "--expires", "90d", folder=data)
        assert re.fullmatch(r"wj_[a-z0-9]{8}_[0-9A-Za-z]{49}", first)
        assert "of the tenant support may read and ends at" in shown
        until_sync(lambda: status(service, first) == 200, "the new key to be valid")
        assert status(service, first, "POST", "/whisper_optimize") == 403
        assert status(service, service.key) == 200

        second, _ = keys("rotate", first.split("_")[1], "--overlap", "0s", folder=data)
        until_sync(lambda: status(service, second) == 200, "the key's successor to be valid")
        assert status(service, first) == 401

        keys("revoke", second.split("_")[1], folder=data)
        until_sync(lambda: status(service, second) == 401, "the revoked key to be refused")

        (data / "api-key").unlink()
        until_sync(lambda: status(service, service.key) == 401, "the removed key to be refused")
        assert service.stop() == 0
    listed = json.loads(keys("list", "--json", folder=data)[0])["keys"]
    assert [(key["state"], key["lastUsedAt"] is not None) for key in listed] == [("revoked", True), ("revoked", True)]
    output = "".join(service.output)
    assert '{"action": "add_key", "outcome": "done", "key": "' in output
    assert first not in output
    assert second not in output
    assert not any(text in (data / "keys.json").read_text() for text in (first, second))


def test_a_service_with_keys_of_its_own_makes_none(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key, _ = keys("create", "the only one", folder=data)
    program = [PROGRAM, "serve", "--port", "0", "--data-dir", str(data)]
    process = subprocess.Popen(
        program,
        env={**unconfigured(), "WHISPERJOB_DIARIZER_PYTHON": "off"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[4]
        assert process.stdout.readline() == "X-API-Key: as in keys.json\n"
        assert httpx.get(f"{url}/jobs", headers={"X-API-Key": key}, trust_env=False).status_code == 200
        assert not (data / "api-key").exists()
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("create", ""), 1, "A key's name has 1 to 100 characters, in one line."),
        (("create", "x", "--tenant", "Not A Label"), 1, "A key's tenant must be a DNS label"),
        (("create", "x", "--expires", "soon"), 2, "write it as 90d, 12h, 15m or 30s."),
        (("create", "x", "--expires", "0s"), 2, "a key that ends at once is of no use."),
        (("create", "x", "--expires", "-1d"), 2, ""),
        (("create", "x", "--expires", "99999999999d"), 2, ""),
        (("create", "x", "--scope", "everything"), 2, "everything"),
        (("revoke", "nosuchid"), 1, "There is no key with the id 'nosuchid'"),
        (("rotate", "nosuchid"), 1, "There is no key with the id 'nosuchid'"),
    ],
)
def test_a_wrong_command_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...], code: int, sentence: str) -> None:
    _, error = keys(*arguments, folder=tmp_path, code=code)
    assert sentence in error
    assert not (tmp_path / "keys.json").exists()


def test_a_damaged_file_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text("{}x")
    for arguments in (("create", "x"), ("list",), ("revoke", "abcdefgh")):
        _, error = keys(*arguments, folder=tmp_path, code=1)
        assert f"The file {tmp_path / 'keys.json'} cannot be used: it is no file of keys" in error
    assert (tmp_path / "keys.json").read_text() == "{}x"


def test_the_list_warns_of_the_key_that_may_do_everything(tmp_path: Path) -> None:
    (tmp_path / "api-key").write_text("a-key-that-was-generated\n")
    output, error = keys("list", folder=tmp_path)
    assert output.split() == ["ID", "STATE", "TENANT", "SCOPES", "EXPIRES", "LAST", "USED", "NAME"]
    assert "has one more key, of the tenant default, which may do everything" in error


@pytest.mark.parametrize(
    ("file", "content", "variables", "sentence"),
    [
        ("api-key", "test", {}, "api-key cannot be used: an API key of the tenant default is too easy to guess"),
        ("keys.json", "{", {}, "keys.json cannot be used: it is no file of keys"),
        ("other", "", {"WHISPERJOB_API_KEYS": "support:test"}, "of the tenant support is too easy to guess"),
    ],
)
def test_a_service_does_not_start_with_keys_that_cannot_be_used(
    tmp_path: Path, file: str, content: str, variables: dict[str, str], sentence: str
) -> None:
    (tmp_path / file).write_text(content)
    done = subprocess.run(
        [PROGRAM, "serve", "--port", "0", "--data-dir", str(tmp_path)],
        env={**unconfigured(), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
