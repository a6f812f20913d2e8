"""The command lines, word for word, but for the allow-lists, which have tests of their own."""

import shlex

import pytest

from whisperjob.model.phase import Profile, RawFormat
from whisperjob_optimizer import command, formats
from whisperjob_optimizer.command import FfmpegInput
from whisperjob_optimizer.downmix import default_mix
from whisperjob_optimizer.loudness import Enhancement, OutputGain

START = "ffmpeg -hide_banner -nostdin -nostats -v error -y -max_alloc 536870912"
ONE_THREAD = "-filter_complex_threads 1"
PROGRESS = "-stats_period 0.2 -progress pipe:7"
PCM_IN = "-f f32le -ar 16000 -ac 1 -i pipe:0"
MEASURE = (
    "volume=volume=1024:precision=double,ebur128=metadata=1"
    ",ametadata=mode=print:key=lavfi.r128.M:file='pipe\\:8',volume=volume=1/1024:precision=double"
)


def words(argv: list[str]) -> str:
    """Readable, with the allow-lists left out."""
    allowed = formats.input_options(probing=False)
    text = shlex.join(argv).replace("'\"'\"'", "'")
    return text.replace(shlex.join(allowed) + " ", "").replace("'", "")


def expected(*parts: str) -> str:
    return " ".join(parts).replace("'", "")


def test_decode_stereo() -> None:
    argv = command.decode(
        "ffmpeg", FfmpegInput("source"), default_mix(2, "stereo"), "stereo", channels_fd=9, times_fd=None
    )
    graph = (
        "[0:a:0]asplit[main][side];[side]asetnsamples=1024:p=0"
        ",aselect='lt(n\\,400)*lt(mod(n\\,8)\\,3)+gte(n\\,400)*lt(mod(n\\,80)\\,3)'"
        ",aformat=channel_layouts=stereo"
        ",aeval='if(between(val(0)\\,-4294967296\\,4294967296)\\,val(0)\\,0)"
        "|if(between(val(1)\\,-4294967296\\,4294967296)\\,val(1)\\,0)':c=same"
        ",pan=3C|c0=c0|c1=c1|c2=0.5*c0+0.5*c1"
        ",asubcut=cutoff=200:order=6,aselect='eq(mod(n\\,3)\\,2)'"
        ",astats=metadata=1:reset=1:measure_perchannel=RMS_level:measure_overall=none"
        ",ametadata=mode=print:file='pipe\\:9',anullsink;"
        "[main]aformat=channel_layouts=stereo,pan=mono|c0=0.5*c0+0.5*c1,aresample=16000:osf=flt[out]"
    )
    assert words(argv) == expected(
        START,
        ONE_THREAD,
        "-i file:source -copyts -filter_complex",
        graph,
        "-map [out] -flush_packets 0 -f f32le pipe:1",
    )


def test_decode_reports_the_time_of_each_frame_before_the_frame() -> None:
    argv = command.decode("ffmpeg", FfmpegInput("source"), default_mix(1, "mono"), "mono", channels_fd=None, times_fd=9)
    maps = "-map [times] -c:a pcm_f32le -flush_packets 1 -f framecrc pipe:9 -map [out] -flush_packets 0"
    assert maps in " ".join(argv)


def test_decode_headerless_mono() -> None:
    source = FfmpegInput("source.raw", RawFormat.S16BE, 8000, 1)
    argv = command.decode("ffmpeg", source, default_mix(1), "", channels_fd=None, times_fd=None)
    graph = "[0:a:0]pan=mono|c0=1*c0,aresample=16000:osf=flt[out]"
    assert words(argv) == expected(
        *(START, ONE_THREAD, "-f s16be -ar 8000 -ac 1 -i file:source.raw -copyts -filter_complex", graph),
        "-map [out] -flush_packets 0 -f f32le pipe:1",
    )


@pytest.mark.parametrize(
    ("profile", "steps"),
    [(Profile.FULL, "highpass=f=70,lowpass=f=7500,"), (Profile.LIGHT, "highpass=f=70,lowpass=f=7500,"), ("none", "")],
)
def test_band_pass(profile: Profile, steps: str) -> None:
    argv = command.band_pass("ffmpeg", Profile(profile), progress_fd=7, loudness_fd=8)
    assert words(argv) == expected(START, PROGRESS, PCM_IN, "-af", steps + MEASURE, "-f f32le pipe:1")


def test_enhance_a_range_that_is_not_the_first() -> None:
    argv = command.enhance("ffmpeg", Enhancement(6.5, -49, -20, -11.3), 1000, 500, progress_fd=7, loudness_fd=8)
    steps = (
        "atrim=end_sample=1500,volume=volume=6.500dB:precision=float"
        ",agate=threshold=0.003548:range=0.354813:ratio=1.5:attack=5:release=250"
        ",acompressor=threshold=0.100000:ratio=1.5:attack=20:release=250:knee=2.8"
        ",aresample=32000:tsf=fltp,alimiter=limit=0.272270:level=false:latency=true:attack=5:release=15"
        ",aresample=16000:tsf=fltp"
        f",apad=whole_len=1500,atrim=end_sample=1500,{MEASURE},atrim=start_sample=500,asetpts=PTS-STARTPTS"
    )
    assert words(argv) == expected(START, PROGRESS, PCM_IN, "-af", steps, "-f f32le pipe:1")


def test_enhance_lightly_from_the_beginning() -> None:
    argv = command.enhance("ffmpeg", Enhancement(-3, None, None, -8.8), 1000, 0, progress_fd=7, loudness_fd=8)
    text = words(argv)
    assert "agate" not in text
    assert "acompressor" not in text
    assert "start_sample" not in text


OUTPUT = (
    "-map 0:a:0 -map_metadata -1 -ac 1 -ar 16000 -c:a libmp3lame -b:a 64000 -compression_level 7 -fflags +bitexact"
    " -f tee [f=mp3:id3v2_version=0]file:chunk_001.mp3|[f=mp3:id3v2_version=0:write_xing=0]pipe\\:1"
)


@pytest.mark.parametrize(
    ("output_gain", "steps"),
    [
        pytest.param(
            OutputGain(9.5, -1.8),
            "volume=volume=9.945dB:precision=float"
            ",alimiter=limit=0.855608:level=false:latency=true:attack=5:release=15,",
            id="as a rule",
        ),
        pytest.param(
            OutputGain(9.5, -2.6, oversampled=True),
            "volume=volume=9.945dB:precision=float,aresample=64000:tsf=fltp"
            ",alimiter=limit=0.780324:level=false:latency=true:attack=5:release=15,aresample=16000:tsf=fltp,",
            id="again, oversampled",
        ),
        pytest.param(OutputGain(0, None), "volume=volume=0.446dB:precision=float,", id="converted only"),
    ],
)
def test_encode(output_gain: OutputGain, steps: str) -> None:
    argv = command.encode("ffmpeg", output_gain, 1000, 80, 20, "chunk_001.mp3", progress_fd=7)
    trimmed = "atrim=start_sample=80:end_sample=1080,asetpts=PTS-STARTPTS,apad=whole_len=1000"
    filters = f"atrim=end_sample=1100,{steps}{trimmed}"
    assert words(argv) == expected(START, PROGRESS, PCM_IN, "-af", filters, OUTPUT)


def test_measure_mp3() -> None:
    graph = (
        f"{MEASURE},aresample=64000:osf=flt:tsf=fltp,asetnsamples=64000:p=0"
        ",astats=metadata=1:reset=1:measure_perchannel=none:measure_overall=Peak_level"
        ",ametadata=mode=print:key=lavfi.astats.Overall.Peak_level:file='pipe\\:9'"
    )
    argv = command.measure_mp3("ffmpeg", loudness_fd=8, peak_fd=9)
    assert words(argv) == expected(START, "-f mp3 -i pipe:0 -af", graph, "-f null -")


def test_what_may_be_opened() -> None:
    options = dict(zip(*[iter(formats.input_options(probing=True))] * 2, strict=True))
    assert options["-protocol_whitelist"] == "file,pipe"
    demuxers, decoders = (options[name].split(",") for name in ("-format_whitelist", "-codec_whitelist"))
    following = {"hls", "dash", "concat", "sdp", "rtsp", "rtp", "sap", "imf", "image2", "vobsub", "lavfi", "applehttp"}
    devices = {"alsa", "pulse", "v4l2", "x11grab", "fbdev", "jack", "openal", "kmsgrab", "libcdio", "libdc1394"}
    assert not {*demuxers} & (following | devices)
    assert not [name for name in demuxers if name.endswith("_pipe")]
    assert not {*decoders} & {"h264", "hevc", "png", "mjpeg", "ass", "wavesynth"}
    assert {"wav", "mp3", "mov", "matroska", "ogg", "flac", "mpegts", "g722"} <= {*demuxers}
    assert {"mp3float", "aac", "opus", "flac", "pcm_s16le", "adpcm_ms"} <= {*decoders}


def test_subtitles_are_probed_and_never_decoded() -> None:
    def demuxers(*, probing: bool) -> set[str]:
        options = formats.input_options(probing=probing)
        return {*options[options.index("-format_whitelist") + 1].split(",")}

    assert demuxers(probing=True) - demuxers(probing=False) == formats.SUBTITLE_DEMUXERS
