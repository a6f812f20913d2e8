"""Which uploads may begin, and which senders are too slow."""

import pytest

from support.builders import a_job, a_spec
from whisperjob.model.resource import Source, WhisperJob
from whisperjob.model.settings import ApiSettings
from whisperjob_api.admission import UploadGate
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
    for other in in_flight:
        gate.admit("alice", other, [], None, SETTINGS)
    if code is None:
        reservation = gate.admit("alice", size, unfinished(*jobs), free, SETTINGS)
        gate.release(reservation)
        assert gate.in_flight == len(in_flight)
        return
    with pytest.raises(RequestError) as caught:
        gate.admit("alice", size, unfinished(*jobs), free, SETTINGS)
    assert caught.value.code is code
    assert caught.value.retry_after_seconds
    assert gate.in_flight == len(in_flight)


def test_another_tenants_uploads_do_not_count_as_mine() -> None:
    gate = UploadGate()
    gate.admit("bob", 10_000, [], None, SETTINGS)
    gate.admit("alice", 10_000, [], None, SETTINGS)


def test_bytes_that_have_arrived_need_no_more_room() -> None:
    gate = UploadGate()
    first = gate.admit("alice", 4000, [], 20_000, SETTINGS)
    first.received_bytes = 4000
    gate.admit("alice", 5000, [], 6000, SETTINGS)


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
