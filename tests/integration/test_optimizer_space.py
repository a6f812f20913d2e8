"""An optimizer without room for its work: no verdict, nothing half written, and an exit status of its own."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from support.audio.media import write_speech
from support.programs.small_disk import fill, small_disk
from support.workers.process import ended, running
from support.workers.work_server import WorkServer, file_claim, http_claim
from whisperjob.model.machine_faults import MachineFault
from whisperjob.model.manifest import Verdict
from whisperjob.model.phase import Profile
from whisperjob.model.protocol import OptimizeOptions, WorkLimits
from whisperjob.worker.worker_program import DONE

pytest_plugins = ["support.workers.fixtures"]

MIB = 2**20


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four minutes: 15 MB of PCM, and as much again while it is enhanced."""
    return write_speech(tmp_path_factory.mktemp("talk") / "talk.wav", seconds=240)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 64) as folder:
        yield folder


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def working(state: WorkServer, scratch: Path) -> AbstractContextManager["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-P", "-m", "whisperjob_optimizer.run", "--server", state.base_url, "--token-stdin"]
    return running([*command, "--scratch", str(scratch)])


def files_in(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def test_a_share_that_does_not_suffice_is_no_verdict(state: WorkServer, store: Path, scratch: Path, talk: Path) -> None:
    claim = file_claim(talk, store)
    limits = WorkLimits(max_scratch_bytes=10**9, scratch_bytes=10 * MIB)
    state.claim = claim.model_copy(update={"limits": limits})
    with working(state, scratch) as process:
        code, why = ended(process)
    assert code == MachineFault.NO_SPACE
    assert "scratch space" in why
    assert files_in(store) == []


def test_what_no_attempt_may_have_is_a_verdict(state: WorkServer, store: Path, scratch: Path, talk: Path) -> None:
    claim = file_claim(talk, store)
    limits = WorkLimits(max_scratch_bytes=10 * MIB, scratch_bytes=10 * MIB)
    state.claim = claim.model_copy(update={"limits": limits})
    with working(state, scratch) as process:
        assert ended(process)[0] == DONE
    verdict = Verdict.model_validate_json((store / "results" / "failure.json").read_bytes())
    assert verdict.code == "disk_limit"


@pytest.mark.parametrize(
    ("free_mib", "profile"),
    [
        pytest.param(1, Profile.FULL, id="before the sound"),
        pytest.param(8, Profile.FULL, id="decoding"),
        pytest.param(20, Profile.FULL, id="enhancing"),
        pytest.param(29, Profile.FULL, id="the last of the enhanced sound"),
        pytest.param(15, Profile.NONE, id="encoding"),
    ],
)
def test_a_disk_that_fills_up_under_it_is_no_verdict(
    state: WorkServer, store: Path, disk: Path, talk: Path, free_mib: int, profile: Profile
) -> None:
    fill(disk, but=free_mib * MIB)
    state.claim = file_claim(talk, store, options=OptimizeOptions(profile=profile))
    with working(state, disk) as process:
        code, why = ended(process)
    assert code == MachineFault.NO_SPACE, why
    assert files_in(store) == []
    assert [file.name for file in disk.iterdir()] == ["filler"]


def test_a_store_that_fills_up_is_no_verdict(state: WorkServer, scratch: Path, talk: Path) -> None:
    state.is_full = True
    data = talk.read_bytes()
    state.claim = http_claim(state, data, sha256=hashlib.sha256(data).hexdigest())
    with working(state, scratch) as process:
        assert ended(process)[0] == MachineFault.NO_SPACE
    assert list(scratch.iterdir()) == []
