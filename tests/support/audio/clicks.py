"""Recordings with clicks at known times, in containers whose clocks do what real ones do."""

from dataclasses import dataclass
from pathlib import Path

from support.audio.media import decode, ffmpeg
from whisperjob.model.manifest import SAMPLE_RATE

CLICK_TIMES = tuple(0.5 + n for n in range(10))
SECONDS = 10
_EXACT = ("-fflags", "+bitexact")
_CLICK = "aevalsrc='0.7*sin(2*PI*1000*t)*lt(mod(t+{shift},1),0.004)':s={rate}:d={seconds}"

_AAC_PRIMING = 1024
_OPUS_PRIMING = 312
_MP2_PRIMING = 481


@dataclass(frozen=True)
class Container:
    """How ffmpeg writes one container: the codecs, and how the encoder's delay appears in it.

    `delay_seconds` is how much later than played the sound is, because the container does not tell the encoder's delay;
    `delay_at_time_seconds` is the same for a clock that does not begin at 0. `early_seconds` is how much too early the
    timestamps are if the sound begins later than the file: ffmpeg 5.1 counts the delay twice there.
    """

    extension: str
    codecs: tuple[str, ...]
    picture: bool = True
    rate: int = 48_000
    delay_seconds: float = 0.0
    delay_at_time_seconds: float = 0.0
    early_seconds: float = 0.0


_MPEG4 = ("-c:v", "mpeg4")
_AAC = ("-c:a", "aac", *_MPEG4)
_AAC_DELAY = _AAC_PRIMING / 48_000
_OPUS_DELAY = _OPUS_PRIMING / 48_000
CONTAINERS = (
    Container("mkv", ("-c:a", "libopus", *_MPEG4), early_seconds=_OPUS_DELAY),
    Container(
        "webm",
        ("-c:a", "libopus", "-c:v", "libvpx", "-deadline", "realtime", "-b:v", "50k"),
        early_seconds=_OPUS_DELAY,
    ),
    Container("mp4", _AAC, delay_at_time_seconds=_AAC_DELAY),
    Container("mov", _AAC, delay_at_time_seconds=_AAC_DELAY),
    Container("ts", _AAC, delay_seconds=_AAC_DELAY, delay_at_time_seconds=_AAC_DELAY),
    Container(
        "flv",
        ("-c:a", "aac", "-c:v", "flv1"),
        rate=44_100,
        delay_seconds=_AAC_PRIMING / 44_100,
        delay_at_time_seconds=_AAC_PRIMING / 44_100,
    ),
    Container("nut", ("-c:a", "pcm_s16le", *_MPEG4)),
    Container(
        "mpg",
        ("-c:a", "mp2", "-c:v", "mpeg2video", "-r", "25"),
        delay_seconds=_MP2_PRIMING / 48_000,
        delay_at_time_seconds=_MP2_PRIMING / 48_000,
    ),
    Container("ogg", ("-c:a", "libvorbis"), picture=False),
    Container("opus", ("-c:a", "libopus"), picture=False),
    Container("m4a", ("-c:a", "aac"), picture=False, delay_at_time_seconds=_AAC_DELAY),
)


def write_clicks(
    path: Path,
    container: Container,
    *,
    seconds: float = SECONDS,
    shift: float = 0.5,
    late: float = 0,
    gap: float = 0,
    clock: float = 0,
    channels: int = 1,
) -> Path:
    """Writes a click a second, the first at `1 - shift`; see the cases of the click table for the rest."""
    source = _CLICK.format(shift=shift, rate=container.rate, seconds=seconds)
    sound = f"{source},asetpts='if(gte(T,4),PTS+{gap}/TB,PTS)'" if gap else source
    picture = ("-f", "lavfi", "-i", f"testsrc=size=64x64:rate=5:duration={late + seconds + gap}")
    begin = ("-itsoffset", str(late)) if late else ()
    end = ("-output_ts_offset", str(clock)) if clock else ()
    if container.picture:
        inputs = (*picture, *begin, "-f", "lavfi", "-i", sound, "-map", "0", "-map", "1")
    else:
        inputs = ("-f", "lavfi", "-i", sound)
    ffmpeg(*inputs, *container.codecs, "-ac", str(channels), *_EXACT, *end, path)
    return path


def click_times(*files: Path) -> list[float]:
    """Returns when each click begins, in seconds, in files that follow one another: where the sound first exceeds half
    of the loudest moment."""
    samples = [sample for file in files for sample in decode(file)]
    threshold = max(map(abs, samples)) / 2
    times: list[float] = []
    last = -SAMPLE_RATE
    for index, sample in enumerate(samples):
        if abs(sample) > threshold:
            if index - last > SAMPLE_RATE // 10:
                times.append(index / SAMPLE_RATE)
            last = index
    return times
