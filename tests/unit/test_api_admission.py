"""Which uploads may begin, and which senders are too slow."""

import pytest

from support.builders import a_job, a_spec
from whisperjob.model.resource import Source, WhisperJob
from whisperjob.model.settings import ApiSettings
from whisperjob.model.space import SpaceNeed, WorkerUse
from whisperjob_api.admission import NO_NEED, Room, UploadGate
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.upload_rate import UploadRate

SETTINGS = ApiSettings(max_unfinished_jobs=4, max_unfinished_bytes=10_000, min_free_bytes=1000)


def unfinished(*sizes: int) -> list[WhisperJob]:
    return [
        a_job(name=f"job-{index}", spec=a_spec(source=Source(key="k", size_bytes=size)))
        for index, size in enumerate(sizes)
    ]


@pytest.mark.parametrize(
    ("in_flight", "jobs", "size", "free", "code"),
    [
        pytest.param([], [], 9000, None, None, id="free, room unknown"),
        pytest.param([], [], 9000, 10_000, None, id="just enough room"),
        pytest.param([], [], 9000, 9_999, HttpCode.INSUFFICIENT_STORAGE, id="one byte short"),
        pytest.param([4000], [], 5000, 10_000, None, id="room for both"),
        pytest.param([4000], [], 5001, 10_000, HttpCode.INSUFFICIENT_STORAGE, id="the one on its way counts"),
        pytest.param([1], [1, 1], 1, None, None, id="the fourth job"),
        pytest.param([1], [1, 1, 1], 1, None, HttpCode.TOO_MANY_JOBS, id="the fifth job"),
        pytest.param([4000], [3000], 3000, None, None, id="bytes, all used"),
        pytest.param([4000], [3000], 3001, None, HttpCode.TOO_MANY_JOBS, id="bytes, one more"),
    ],
)
def test_an_upload_is_admitted_or_refused_with_a_reason(
    in_flight: list[int], jobs: list[int], size: int, free: int | None, code: HttpCode | None
) -> None:
    gate = UploadGate()
    room = None if free is None else Room(free)
    for other in in_flight:
        gate.admit("alice", other, [], None, SETTINGS)
    if code is None:
        reservation = gate.admit("alice", size, unfinished(*jobs), room, SETTINGS)
        gate.release(reservation)
        assert gate.in_flight == len(in_flight)
        return
    with pytest.raises(RequestError) as caught:
        gate.admit("alice", size, unfinished(*jobs), room, SETTINGS)
    assert caught.value.code is code
    assert caught.value.retry_after_seconds
    assert gate.in_flight == len(in_flight)


def test_another_tenants_uploads_do_not_count_as_mine() -> None:
    gate = UploadGate()
    gate.admit("bob", 10_000, [], None, SETTINGS)
    gate.admit("alice", 10_000, [], None, SETTINGS)


def test_bytes_that_have_arrived_need_no_more_room() -> None:
    gate = UploadGate()
    first = gate.admit("alice", 4000, [], Room(20_000), SETTINGS)
    first.received_bytes = 4000
    gate.admit("alice", 5000, [], Room(6000), SETTINGS)


@pytest.mark.parametrize(
    ("workers", "waiting", "need", "fits"),
    [
        pytest.param(WorkerUse(), [], SpaceNeed(50_000, 0), True, id="alone: its worker gets what there is"),
        pytest.param(WorkerUse(), [], SpaceNeed(0, 8000), True, id="room for its results"),
        pytest.param(WorkerUse(), [], SpaceNeed(0, 8001), False, id="no room for its results"),
        pytest.param(WorkerUse(), [SpaceNeed(0, 4000)], SpaceNeed(0, 4001), False, id="none for the results of both"),
        pytest.param(WorkerUse(pending_bytes=8000), [], NO_NEED, True, id="beside a worker that may still write"),
        pytest.param(WorkerUse(pending_bytes=8001), [], NO_NEED, False, id="a worker may still write too much"),
        pytest.param(WorkerUse(), [SpaceNeed(9000, 0)], NO_NEED, True, id="a waiting job still fits"),
        pytest.param(WorkerUse(), [SpaceNeed(9001, 0)], NO_NEED, False, id="a waiting job would never fit"),
        pytest.param(WorkerUse(), [SpaceNeed(1, 0)], SpaceNeed(9001, 0), False, id="nor would it itself"),
        pytest.param(
            WorkerUse(held_bytes=1000), [SpaceNeed(10_000, 0)], NO_NEED, True, id="it fits once a worker has ended"
        ),
    ],
)
def test_what_workers_and_results_will_need_counts(
    workers: WorkerUse, waiting: list[SpaceNeed], need: SpaceNeed, fits: bool
) -> None:
    """Of 10,000 bytes the upload takes 1000, and 1000 must be left."""
    gate = UploadGate()
    room = Room(10_000, workers, tuple(waiting))
    if fits:
        gate.admit("alice", 1000, [], room, SETTINGS, need)
        return
    with pytest.raises(RequestError) as caught:
        gate.admit("alice", 1000, [], room, SETTINGS, need)
    assert caught.value.code is HttpCode.INSUFFICIENT_STORAGE


def test_results_of_uploads_in_flight_are_promised() -> None:
    gate = UploadGate()
    first = gate.admit("alice", 4000, [], None, SETTINGS, SpaceNeed(0, 500))
    first.received_bytes = 1000
    assert gate.missing_bytes == 3500
    gate.release(first)
    assert gate.missing_bytes == 0


def test_a_closed_gate_admits_no_upload() -> None:
    gate = UploadGate()
    gate.close()
    with pytest.raises(RequestError) as caught:
        gate.admit("alice", 1, [], None, SETTINGS)
    assert caught.value.code is HttpCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("waits", "slow"),
    [
        pytest.param([(1.0, 0)] * 59, False, id="a minute of grace"),
        pytest.param([(1.0, 0)] * 60, True, id="nothing for a minute"),
        pytest.param([(1.0, 4096)] * 600, False, id="just fast enough"),
        pytest.param([(1.0, 4095)] * 60, True, id="just too slow"),
        pytest.param([(0.0, 10**9)] + [(30.0, 1)] * 4, True, id="a fast start does not excuse a crawl for ever"),
        pytest.param([(0.0, 0)] * 10_000, False, id="a slow store is not the sender's fault"),
        pytest.param([(59.0, 0), (1.0, 300_000)], False, id="a pause made good"),
    ],
)
def test_which_senders_are_too_slow(waits: list[tuple[float, int]], slow: bool) -> None:
    rate = UploadRate(4096)
    assert any(rate.is_too_slow_after(seconds, received) for seconds, received in waits) is slow


def test_a_rate_of_zero_turns_the_check_off() -> None:
    rate = UploadRate(0)
    assert not any(rate.is_too_slow_after(60.0, 0) for _ in range(10))
