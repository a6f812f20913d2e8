"""How much disk a job is expected to need."""

from datetime import timedelta

import pytest

from whisperjob.model.options import AudioOptions
from whisperjob.model.phase import Profile
from whisperjob.model.space import MP3_BYTES_PER_SECOND, PCM_BYTES_PER_SECOND, SPARE_BYTES, estimate_need

HOUR = 3600
MB = 10**6


@pytest.mark.parametrize(
    ("bytes_per_second", "seconds"),
    [
        pytest.param(176_400, 2 * HOUR, id="CD"),
        pytest.param(16_000, 5 * HOUR, id="128 kbit/s"),
        pytest.param(8000, 8 * HOUR, id="64 kbit/s"),
        pytest.param(2000, 500, id="a voice message"),
    ],
)
def test_usual_recordings_need_no_more_than_estimated(bytes_per_second: int, seconds: int) -> None:
    need = estimate_need(bytes_per_second * seconds)
    assert need.scratch_bytes >= seconds * (2 * PCM_BYTES_PER_SECOND + MP3_BYTES_PER_SECOND)
    assert need.output_bytes >= seconds * MP3_BYTES_PER_SECOND or seconds < HOUR


def test_channels_that_are_treated_apart_need_more_and_a_conversion_alone_less() -> None:
    usual, apart, plain = (
        estimate_need(100 * MB, options).scratch_bytes
        for options in (AudioOptions(), AudioOptions(multichannel=True), AudioOptions(profile=Profile.NONE))
    )
    assert plain < usual < apart


def test_no_more_is_estimated_than_a_worker_may_use() -> None:
    assert estimate_need(10**12, max_scratch_bytes=MB).scratch_bytes == MB
    need = estimate_need(10**9, max_duration=timedelta(hours=1), max_scratch_bytes=10**12)
    assert need.output_bytes == (HOUR + 1) * MP3_BYTES_PER_SECOND
    assert need.scratch_bytes < 10**9 + (HOUR + 1) * 3 * PCM_BYTES_PER_SECOND + SPARE_BYTES
