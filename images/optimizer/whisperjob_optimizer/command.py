"""Builds the command lines of ffmpeg and ffprobe. Pure; docs/explanation/pipeline.md explains them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from whisperjob.model.manifest import BIT_RATE, SAMPLE_RATE
from whisperjob.model.phase import Profile, RawFormat
from whisperjob_optimizer import formats, sound_settings
from whisperjob_optimizer.downmix import MAX_PROBED_CHANNELS, Mix
from whisperjob_optimizer.file_clock import RESTART_MARK
from whisperjob_optimizer.loudness import Enhancement, OutputGain

_QUIET = ("-hide_banner", "-nostdin", "-nostats", "-v", "error")
_PCM = ("-f", "f32le")
_MOMENTARY = "lavfi.r128.M"
_PROBED_ENTRIES = ":".join(
    (
        "program_version=version",
        "format=format_name,probe_score,duration",
        "stream=index,codec_type,codec_name,sample_rate,channels,channel_layout,duration",
        "stream_disposition",
        "stream_tags=language,title,handler_name,duration",
        "packet=stream_index,pts_time",
        "packet_side_data",
    )
)
_PROBED_PACKETS = 64
"""Enough to see a packet of every stream that begins with the recording."""

PEAK_KEY = "lavfi.astats.Overall.Peak_level"

_RAISED = 1024
RAISED_DB = 20 * math.log10(_RAISED)
"""The values of `ebur128` are too high by this much. Ten times a second it goes through its histogram of all blocks
above its gate, up to 10 LUFS, for values that are not used here. With sound beyond that end the way is short, which
saves half of the time that measuring takes."""

_PROBED_SAMPLES = 1024
PROBED_FRAMES = r"lt(n\,400)*lt(mod(n\,8)\,3)+gte(n\,400)*lt(mod(n\,80)\,3)"
_SETTLED_FRAMES = r"eq(mod(n\,3)\,2)"
"""The frames whose channels are compared, in groups of three. Only the last of a group is measured, when the filters
have settled: many groups at the beginning for short files, then about one in two seconds. More would only take time:
`astats` needs a tenth of a millisecond for each."""

_SPEECH_ONLY = "asubcut=cutoff=200:order=6"
"""Hum and a constant offset are no speech, whatever their phase: 72 dB less at 50 Hz. (`highpass` ignores
channels without a name.)"""

_LARGEST_SAMPLE = 2**32
"""No sample is larger: sample_repair.py says why."""

_BACK_SAMPLES = SAMPLE_RATE // 10
_RISING_CLOCK = (
    "st(3,if(isnan(PTS),ld(1),PTS+ld(0)));"
    f"if(gt(N,0)*lt(ld(3),ld(1)-{_BACK_SAMPLES}),"
    f"st(0,ld(0)+ld(1)+{RESTART_MARK}-ld(3))*0+st(3,ld(1)+{RESTART_MARK}));"
    "if(gt(N,0),st(3,max(ld(3),ld(2)+1)));"
    "st(2,ld(3));st(1,ld(3)+NB_SAMPLES);ld(3)"
)
"""Timestamps that only rise, as ffmpeg's muxers need them. Variables: 0 what was added to the file's clock so far; 1
where the last frame ended; 2 where it began; 3 where this one begins."""

_IN_FLOATS = "tsf=fltp"
"""Resamples in single precision although the filters beside it use double: a fifth less time, and a difference of
−125 dBFS."""

LIMITER_ROLL = SAMPLE_RATE // 2
"""Samples that are read before and after a chunk, so that limiter and resampler know both sides of a cut."""

ENHANCEMENT_ROLL = 5 * SAMPLE_RATE
"""Samples that are read before a range, in which gate and compressor settle as if they had processed all before it."""


@dataclass(frozen=True, slots=True)
class FfmpegInput:
    """An untrusted recording, and how ffmpeg is to open it: by the content of `path`, or as headerless PCM."""

    path: str
    raw_format: RawFormat | None = None
    sample_rate: int | None = None
    channels: int | None = None
    probe_bytes: int = formats.PROBE_BYTES
    skipped_bytes: int = 0
    """Tags before the recording that ffmpeg shall not read (file_signatures.tags_before)."""

    track: int = 0
    """The audio track that is decoded, by its index among the audio streams."""

    def options(self) -> list[str]:
        """Returns ffmpeg's options for this input."""
        raw: list[str] = []
        if self.raw_format is not None:
            raw = ["-f", str(self.raw_format), "-ar", str(self.sample_rate), "-ac", str(self.channels)]
        opening = formats.input_options(probing=False, probe_bytes=self.probe_bytes, skipped_bytes=self.skipped_bytes)
        return [*opening, *raw, "-i", f"file:{self.path}"]


def probe(ffprobe: str, path: str, probe_bytes: int = formats.PROBE_BYTES, skipped_bytes: int = 0) -> list[str]:
    """Builds the command that prints, as JSON, what is needed to know of format and streams of a recording.

    Whatever else is in the file, texts of 100 MB perhaps, is not printed.
    """
    opening = formats.input_options(probing=True, probe_bytes=probe_bytes, skipped_bytes=skipped_bytes)
    return [
        *(ffprobe, "-hide_banner", "-v", "error", *opening),
        *("-max_alloc", str(formats.MAX_ALLOC_BYTES), "-show_entries", _PROBED_ENTRIES),
        *("-read_intervals", f"%+#{_PROBED_PACKETS}", "-of", "json=compact=1", f"file:{path}"),
    ]


def _start(ffmpeg: str, progress_fd: int | None = None) -> list[str]:
    progress = [] if progress_fd is None else ["-stats_period", "0.2", "-progress", f"pipe:{progress_fd}"]
    return [ffmpeg, *_QUIET, "-y", "-max_alloc", str(formats.MAX_ALLOC_BYTES), *progress]


def _print_to(fd: int, key: str | None = None) -> str:
    only = f":key={key}" if key else ""
    return rf"ametadata=mode=print{only}:file='pipe\:{fd}'"


def _measure(loudness_fd: int) -> str:
    """Returns the filters that measure loudness. The sound is unchanged, bit for bit: a power of two up and down."""
    raised, lowered = (f"volume=volume={times}:precision=double" for times in (_RAISED, f"1/{_RAISED}"))
    return f"{raised},ebur128=metadata=1,{_print_to(loudness_fd, _MOMENTARY)},{lowered}"


def decode(
    ffmpeg: str,
    source: FfmpegInput,
    mix: Mix,
    layout: str,
    *,
    channels_fd: int | None,
    times_fd: int | None,
    valid_only: bool = False,
) -> list[str]:
    """Builds: one audio track → mono, 16 kHz, float PCM on standard output; levels of channels and mix into
    `channels_fd`; start and size of each frame into `times_fd` (file_clock.py), just before the frame itself.

    `layout` is the channel layout that the mix was made for: if a stream changes it midway, ffmpeg converts first.
    `valid_only` makes invalid samples silent in each channel, before the mix; it takes three times as long as the rest.
    The filters have one thread: they have nothing to share, and waking others for each frame took a tenth of the time.
    """
    count = len(mix.weights)
    steps = [f"aformat=channel_layouts={layout}"] if layout else []
    if valid_only:
        steps.append(_valid_samples(count))
    if mix.weights != (1.0,) or not layout:
        steps.append(f"pan=mono|c0={mix.expression()}")
    steps.append(f"aresample={SAMPLE_RATE}:osf=flt")
    graph = f"[0:a:{source.track}]"
    if channels_fd is not None and 1 < count <= MAX_PROBED_CHANNELS:
        copies = "|".join(f"c{i}=c{i}" for i in range(count))
        graph += (
            f"asplit[main][side];[side]asetnsamples={_PROBED_SAMPLES}:p=0,aselect='{PROBED_FRAMES}'"
            + (f",aformat=channel_layouts={layout}" if layout else "")
            + f",{_valid_samples(count)},pan={count + 1}C|{copies}|c{count}={mix.expression()}"
            + f",{_SPEECH_ONLY},aselect='{_SETTLED_FRAMES}'"
            + ",astats=metadata=1:reset=1:measure_perchannel=RMS_level:measure_overall=none,"
            + f"{_print_to(channels_fd)},anullsink;[main]"
        )
    times: list[str] = []
    if times_fd is not None:
        steps.append(f"asetpts='{_RISING_CLOCK}',asplit[times]")
        times = ["-map", "[times]", "-c:a", "pcm_f32le", "-flush_packets", "1", "-f", "framecrc", f"pipe:{times_fd}"]
    graph += ",".join(steps) + "[out]"
    return [
        *(*_start(ffmpeg), "-filter_complex_threads", "1", *source.options(), "-copyts"),
        *("-filter_complex", graph, *times, "-map", "[out]", "-flush_packets", "0", *_PCM, "pipe:1"),
    ]


def measure_tracks(
    ffmpeg: str, source: FfmpegInput, start_seconds: float, seconds: float | None, loudness_fds: Mapping[int, int]
) -> list[str]:
    """Builds: `seconds` of a recording, or all of it → the loudness of tracks, each into a descriptor."""
    to_mono = f"aformat=sample_fmts=flt:sample_rates={SAMPLE_RATE}:channel_layouts=mono"
    outputs: list[str] = []
    for index, fd in loudness_fds.items():
        outputs += ["-map", f"0:a:{index}", "-af", f"{to_mono},{_valid_samples(1)},{_measure(fd)}", "-f", "null", "-"]
    window = [] if seconds is None else ["-ss", f"{start_seconds:.3f}", "-t", f"{seconds:.3f}"]
    return [*_start(ffmpeg), *window, *source.options(), *outputs]


def add(ffmpeg: str, one: str, gain_db: float, two: str, two_gain_db: float, *, loudness_fd: int) -> list[str]:
    """Builds: two files of PCM → their sum, each with its gain and as long as the longer one → measure → PCM."""
    gains = f"{10 ** (gain_db / 20):.9f} {10 ** (two_gain_db / 20):.9f}"
    graph = f"amix=inputs=2:duration=longest:normalize=0:weights='{gains}',{_measure(loudness_fd)}"
    pcm = (*_PCM, "-ar", str(SAMPLE_RATE), "-ac", "1", "-i")
    return [
        *(*_start(ffmpeg), *pcm, f"file:{one}", *pcm, f"file:{two}"),
        *("-filter_complex", graph, *_PCM, "pipe:1"),
    ]


def _valid_samples(channels: int) -> str:
    """Returns a filter that makes samples silent that are no numbers or too large. (`between` is 0 for no number.)"""
    each = (rf"if(between(val({i})\,-{_LARGEST_SAMPLE}\,{_LARGEST_SAMPLE})\,val({i})\,0)" for i in range(channels))
    return f"aeval='{'|'.join(each)}':c=same"


def band_pass(ffmpeg: str, profile: Profile, *, progress_fd: int, loudness_fd: int) -> list[str]:
    """Builds: PCM on standard input → band-pass (not for profile none), measure → PCM on standard output."""
    steps = (
        []
        if profile is Profile.NONE
        else [f"highpass=f={sound_settings.HIGHPASS_HZ}", f"lowpass=f={sound_settings.LOWPASS_HZ}"]
    )
    return [
        *(*_start(ffmpeg, progress_fd), *_pcm_in(), "-af", ",".join([*steps, _measure(loudness_fd)])),
        *(*_PCM, "pipe:1"),
    ]


def enhance(
    ffmpeg: str, enhancement: Enhancement, samples: int, before: int, *, progress_fd: int, loudness_fd: int
) -> list[str]:
    """Builds: PCM on standard input, from `before` samples ahead of a range, → gate, compressor, measure → PCM."""
    steps = [f"atrim=end_sample={before + samples}"]
    steps.append(f"volume=volume={enhancement.pre_gain_db:.3f}dB:precision=float")
    if enhancement.gate_threshold_db is not None:
        steps.append(
            f"agate=threshold={_amplitude(enhancement.gate_threshold_db)}:range={_amplitude(sound_settings.GATE_RANGE_DB)}"
            f":ratio={sound_settings.GATE_RATIO}:attack={sound_settings.GATE_ATTACK_MS}:release={sound_settings.GATE_RELEASE_MS}"
        )
    if enhancement.compressor_threshold_db is not None:
        steps.append(
            f"acompressor=threshold={_amplitude(enhancement.compressor_threshold_db)}:ratio={sound_settings.COMPRESSOR_RATIO}"
            f":attack={sound_settings.COMPRESSOR_ATTACK_MS}:release={sound_settings.COMPRESSOR_RELEASE_MS}"
            f":knee={sound_settings.COMPRESSOR_KNEE_RATIO}"
        )
    steps += [
        *_limit(enhancement.ceiling_db, sound_settings.LIMITER_RATE),
        f"apad=whole_len={before + samples}",
        f"atrim=end_sample={before + samples}",
        _measure(loudness_fd),
    ]
    if before:
        steps += [f"atrim=start_sample={before}", "asetpts=PTS-STARTPTS"]
    return [*_start(ffmpeg, progress_fd), *_pcm_in(), "-af", ",".join(steps), *_PCM, "pipe:1"]


def encode(
    ffmpeg: str, output_gain: OutputGain, samples: int, before: int, after: int, name: str, *, progress_fd: int
) -> list[str]:
    """Builds: PCM on standard input, from `before` samples ahead of a chunk to `after` behind it, → gain, limiter → the
    MP3 file `name` in the current folder, and its frames without the Info frame on standard output, to be measured."""
    steps = [f"atrim=end_sample={before + samples + after}"]
    steps.append(f"volume=volume={output_gain.gain_db + sound_settings.LAME_LOSS_DB:.3f}dB:precision=float")
    if output_gain.ceiling_dbfs is not None:
        rate = sound_settings.LIMITER_OVERSAMPLED_RATE if output_gain.oversampled else SAMPLE_RATE
        steps += _limit(output_gain.ceiling_dbfs + sound_settings.LAME_LOSS_DB, rate)
    steps += [
        f"atrim=start_sample={before}:end_sample={before + samples}",
        "asetpts=PTS-STARTPTS",
        f"apad=whole_len={samples}",
    ]
    outputs = f"[f=mp3:id3v2_version=0]file:{name}|[f=mp3:id3v2_version=0:write_xing=0]pipe\\:1"
    return [
        *(*_start(ffmpeg, progress_fd), *_pcm_in(), "-af", ",".join(steps), "-map", "0:a:0", "-map_metadata", "-1"),
        *("-ac", "1", "-ar", str(SAMPLE_RATE), "-c:a", "libmp3lame", "-b:a", str(BIT_RATE)),
        *(
            "-compression_level",
            str(sound_settings.MP3_COMPRESSION_LEVEL),
            "-fflags",
            "+bitexact",
            "-f",
            "tee",
            outputs,
        ),
    ]


def measure_mp3(ffmpeg: str, *, loudness_fd: int, peak_fd: int) -> list[str]:
    """Builds: MP3 frames on standard input → loudness, and true peak at four times the rate (BS.1770-4, Annex 2)."""
    graph = (
        f"{_measure(loudness_fd)},aresample={4 * SAMPLE_RATE}:osf=flt:{_IN_FLOATS},asetnsamples={4 * SAMPLE_RATE}:p=0,"
        f"astats=metadata=1:reset=1:measure_perchannel=none:measure_overall=Peak_level,{_print_to(peak_fd, PEAK_KEY)}"
    )
    return [*_start(ffmpeg), *("-f", "mp3", "-i", "pipe:0"), "-af", graph, "-f", "null", "-"]


def _pcm_in() -> list[str]:
    return [*_PCM, "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "pipe:0"]


def _limit(ceiling_db: float, rate: int) -> list[str]:
    """Returns a limiter without make-up gain and delay, both of which alimiter has by default."""
    limiter = (
        f"alimiter=limit={_amplitude(ceiling_db)}:level=false:latency=true"
        f":attack={sound_settings.LIMITER_ATTACK_MS}:release={sound_settings.LIMITER_RELEASE_MS}"
    )
    if rate == SAMPLE_RATE:
        return [limiter]
    return [f"aresample={rate}:{_IN_FLOATS}", limiter, f"aresample={SAMPLE_RATE}:{_IN_FLOATS}"]


def _amplitude(decibel: float) -> str:
    return f"{10 ** (decibel / 20):.6f}"
