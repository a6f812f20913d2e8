"""Every sound is kept once, at its time relative to the recording's own beginning, whatever the file's clock does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.audio.clicks import CLICK_TIMES, CONTAINERS, SECONDS, Container, click_times, write_clicks
from support.audio.media import ffmpeg
from support.audio.optimizing import optimized
from whisperjob.model.errors import WarningCode
from whisperjob.model.protocol import WorkLimits

DISCONTINUITY = (WarningCode.TIMESTAMP_DISCONTINUITY,)
BY_EXTENSION = {container.extension: container for container in CONTAINERS}


def join(folder: Path, name: str, *files: Path) -> Path:
    joined = folder / name
    joined.write_bytes(b"".join(file.read_bytes() for file in files))
    return joined


def plain(folder: Path, container: Container) -> Path:
    return write_clicks(folder / f"first.{container.extension}", container)


def late(folder: Path, container: Container) -> Path:
    return write_clicks(folder / f"late.{container.extension}", container, late=20)


def gap(folder: Path, container: Container) -> Path:
    return write_clicks(folder / f"gap.{container.extension}", container, gap=12)


def at_time(folder: Path, container: Container) -> Path:
    return write_clicks(folder / f"at.{container.extension}", container, clock=30)


def restarted(folder: Path, container: Container) -> Path:
    second = write_clicks(folder / f"second.{container.extension}", container, seconds=5, shift=0.75)
    return join(folder, f"restarted.{container.extension}", plain(folder, container), second)


def with_other_layout(folder: Path, container: Container) -> Path:
    first = write_clicks(folder / f"stereo.{container.extension}", container, channels=2, late=3)
    second = write_clicks(folder / f"mono.{container.extension}", container, seconds=5, shift=0.75, clock=13)
    return join(folder, f"layouts.{container.extension}", first, second)


@dataclass(frozen=True)
class Case:
    write: Callable[[Path, Container], Path]
    containers: tuple[str, ...]
    times: tuple[float, ...] = CLICK_TIMES
    warnings: tuple[WarningCode, ...] = ()


ALL = tuple(BY_EXTENSION)
WITH_PICTURE = tuple(container.extension for container in CONTAINERS if container.picture)
RESTARTED = (*CLICK_TIMES, *(SECONDS + 0.25 + n for n in range(5)))
CASES = {
    "plain": Case(plain, ALL),
    "late": Case(late, WITH_PICTURE, tuple(20 + time for time in CLICK_TIMES)),
    "gap": Case(gap, ALL, tuple(time if time < 4 else time + 12 for time in CLICK_TIMES)),
    "at_time": Case(at_time, ALL),
    "restarted": Case(restarted, ("mkv", "webm", "ts", "mpg", "ogg", "opus", "nut"), RESTARTED, DISCONTINUITY),
    "layout": Case(with_other_layout, ("ts",), tuple(3 + time for time in RESTARTED)),
}


def expected_delay(case: str, container: Container) -> float:
    """Returns how much later than played a click is, because the file says nothing of its encoder's delay."""
    if case in ("late", "layout"):
        return -container.early_seconds
    return container.delay_at_time_seconds if case == "at_time" else container.delay_seconds


@pytest.mark.parametrize(
    ("case", "extension"), [(name, extension) for name, case in CASES.items() for extension in case.containers]
)
def test_clicks_are_where_they_were(case: str, extension: str, tmp_path: Path) -> None:
    container, row = BY_EXTENSION[extension], CASES[case]
    result = optimized(row.write(tmp_path, container))
    delay = expected_delay(case, container)
    times = click_times(*result.chunks)
    assert len(times) == len(row.times)
    for index, (time, expected) in enumerate(zip(times, row.times, strict=True)):
        second = case in ("restarted", "layout") and index >= SECONDS
        # the second recording brings its own priming, and the first one's last frame is padded: a frame at most
        assert time == pytest.approx(expected + delay, abs=0.06 if second else 0.005)
    assert result.manifest.warnings == row.warnings
    if case in ("late", "gap"):
        assert [chunk.silent for chunk in result.manifest.chunks] == {
            "late": [True, False],
            "gap": [False, True, False],
        }[case]


@pytest.mark.parametrize("samples", [1, 32_000])
def test_frames_may_have_any_length(samples: int, tmp_path: Path) -> None:
    """More reports on frames than a pipe holds come before the sound that they are about."""
    source = tmp_path / "talk.mka"
    clicks = "aevalsrc='0.7*sin(2*PI*1000*t)*lt(mod(t+0.5,1),0.004)':s=16000:d=4"
    ffmpeg("-f", "lavfi", "-i", f"{clicks},asetnsamples={samples}:p=0", "-c:a", "pcm_s16le", source)
    result = optimized(source, limits=WorkLimits(run_seconds=60))
    assert click_times(result.chunks[0]) == pytest.approx(CLICK_TIMES[:4], abs=0.005)


def test_a_clock_of_mpeg_ts_that_was_set_back_is_no_gap_of_a_day(tmp_path: Path) -> None:
    """It has 33 bits: what is earlier than the beginning seems to be a day later. The larger a file, the more silence
    may be in it, so this one has 5 MB of padding."""
    ts = BY_EXTENSION["ts"]
    first = write_clicks(tmp_path / "first.ts", ts, clock=1000)
    second = write_clicks(tmp_path / "second.ts", ts, seconds=5, shift=0.75)
    null_packet = b"\x47\x1f\xff\x10" + bytes(184)
    (tmp_path / "padding.ts").write_bytes(null_packet * 28_000)
    result = optimized(join(tmp_path, "set_back.ts", first, tmp_path / "padding.ts", second))
    assert result.manifest.warnings == DISCONTINUITY
    assert len(click_times(result.chunks[0])) == len(RESTARTED)
