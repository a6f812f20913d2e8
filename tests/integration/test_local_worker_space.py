"""Workers that share a small disk: each is given its part before it starts, and the others wait for theirs."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from support.programs.small_disk import fill, small_disk
from support.waiting import until
from support.workers.launcher_bench import Bench
from whisperjob.engine.ports import WorkerIdentity
from whisperjob.model.machine_faults import MachineFault
from whisperjob.model.resource import Source
from whisperjob.model.space import SPARE_BYTES, estimate_need
from whisperjob.model.workers import WorkerState

MIB = 2**20
SMALL = Source(key="k", size_bytes=100_000)
LARGE = Source(key="k", size_bytes=40 * MIB)
"""It is expected to need more than the disk has."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 256) as folder:
        yield folder


@pytest.fixture
async def bench(disk: Path) -> AsyncIterator[Bench]:
    bench = Bench(disk, capacity=3)
    yield bench
    await bench.launcher.close()


async def identity(bench: Bench, name: str) -> WorkerIdentity:
    _, token = await bench.running(name)
    found = await bench.launcher.verify(token)
    assert found is not None
    return found


async def given(bench: Bench, name: str) -> int:
    share = (await identity(bench, name)).scratch
    assert share is not None
    return share.bytes


async def waits(bench: Bench, name: str) -> None:
    await until(lambda: any(c.name == name and "free disk space" in c.message for c in bench.changes), "it to wait")
    worker = await bench.seen(name)
    assert worker is not None
    assert worker.state is WorkerState.PENDING


async def test_no_more_is_given_than_there_is(bench: Bench) -> None:
    """Each may write all that it was given, at the same time."""
    shares = [await given(bench, await bench.start(f"talk-{number}", source=SMALL)) for number in range(2)]
    assert all(share >= estimate_need(SMALL.size_bytes).scratch_bytes for share in shares)
    assert sum(shares) <= 256 * MIB


async def test_one_that_does_not_fit_waits_until_others_have_ended(bench: Bench) -> None:
    small = await bench.start("small", source=SMALL)
    await bench.running(small)
    large = await bench.start("large", source=LARGE)
    await waits(bench, large)
    await bench.launcher.stop(small)
    assert await given(bench, large) > 128 * MIB


async def test_none_overtakes_one_that_waits_for_space(bench: Bench) -> None:
    """Small ones that keep coming would let a large one wait for ever."""
    await bench.running(await bench.start("first", source=SMALL))
    large = await bench.start("large", source=LARGE)
    await waits(bench, large)
    later = await bench.start("later", source=SMALL)
    await bench.launcher.stop(large)
    await bench.running(later)
    assert large not in (bench.notes / "order").read_text().split()


async def test_on_a_full_disk_it_waits_until_there_is_room(bench: Bench, disk: Path) -> None:
    filler = fill(disk, but=4 * MIB)
    name = await bench.start("talk", source=SMALL)
    await waits(bench, name)
    filler.unlink()
    assert await given(bench, name) > SPARE_BYTES


async def test_uploads_in_flight_have_their_space(bench: Bench) -> None:
    bench.space.uploading_bytes = lambda: 250 * MIB
    name = await bench.start("talk", source=SMALL)
    await waits(bench, name)
    bench.space.uploading_bytes = lambda: 0
    await bench.running(name)


async def test_what_was_written_is_no_longer_pending(bench: Bench) -> None:
    name = await bench.start("talk", source=SMALL)
    share = await given(bench, name)
    (bench.scratch / name / "folder").mkdir()
    (bench.scratch / name / "folder" / "pcm").write_bytes(bytes(10 * MIB))
    use = bench.space.use()
    assert use.held_bytes >= 10 * MIB
    assert use.held_bytes + use.pending_bytes == share
    await bench.launcher.stop(name)
    assert bench.space.use() == type(use)()


async def test_one_that_used_up_its_share_is_given_all_there_is(bench: Bench) -> None:
    first = await given(bench, await bench.start("other", source=SMALL))
    worker = await bench.ended(name := await bench.start("talk", str(int(MachineFault.NO_SPACE)), source=SMALL))
    assert worker.message == "the disk has no space left for the work"
    await bench.launcher.stop(name)
    (bench.notes / name).unlink()
    await bench.start("talk", source=SMALL)
    await waits(bench, name)
    await bench.launcher.stop(await bench.start("other", source=SMALL))
    assert await given(bench, name) > 2 * first


async def test_what_was_too_little_is_not_tried_again(bench: Bench, disk: Path) -> None:
    """It waits for more room than it had, and its attempts are not used up."""
    filler = fill(disk, but=160 * MIB)
    await bench.ended(name := await bench.start("talk", str(int(MachineFault.NO_SPACE)), source=LARGE))
    await bench.launcher.stop(name)
    (bench.notes / name).unlink()
    await bench.start("talk", source=LARGE)
    await waits(bench, name)
    filler.unlink()
    assert await given(bench, name) > 160 * MIB
