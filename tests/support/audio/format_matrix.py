"""Every container and audio codec that ffmpeg can write, as recipes for files of a few seconds; what it can write
but a user could not upload is listed beside, with the reason."""

from dataclasses import dataclass
from itertools import pairwise

SECONDS = 4
TONE_HZ = 440


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make a file. `extension` is the one a user's file would have."""

    muxer: str
    extension: str
    options: tuple[str, ...] = ()
    video: bool = False
    raw: tuple[str, int, int] | None = None
    """rawFormat, sampleRate and channels that must be declared with it."""
    slack_seconds: float = 0.2
    """How far the length may be off: padding to the codec's frames, or a container's coarse clock."""
    least_tone: float = 0.5
    """Share of the energy that must still be the tone's; a vocoder keeps little of one."""

    @property
    def name(self) -> str:
        codec = next((value for option, value in pairwise(self.options) if option == "-c:a"), "")
        return "-".join(part for part in (self.muxer, codec, self.extension) if part)


def words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def pcm(rate: int, channels: int = 1) -> tuple[str, ...]:
    return ("-ar", str(rate), "-ac", str(channels))


def codec(name: str, *options: str) -> tuple[str, ...]:
    return ("-c:a", name, *options)


_D10 = "-c:v mpeg2video -b:v 30000k -minrate 30000k -maxrate 30000k -bufsize 1200000 -rc_init_occupancy 1200000"
_PAL = ("-s", "720x576", "-r", "25")

_RAW = tuple(
    Recipe(name, name, pcm(16_000), raw=(name, 16_000, 1))
    for name in words("s16le s16be s24le s24be s32le s32be f32le f32be f64le f64be u8 s8 mulaw alaw")
)

_BY_EXTENSION = (
    Recipe("g722", "g722", pcm(16_000)),
    Recipe("gsm", "gsm", pcm(8000)),
    Recipe("s16le", "sln", pcm(8000)),
    Recipe("alaw", "al", pcm(8000)),
    Recipe("mulaw", "ul", pcm(8000)),
    Recipe("g723_1", "tco", (*pcm(8000), "-b:a", "6.3k")),
    Recipe("aptx", "aptx", pcm(48_000, 2)),
    Recipe("aptx_hd", "aptxhd", pcm(48_000, 2)),
    Recipe("dfpwm", "dfpwm"),
    Recipe("sbc", "sbc", pcm(44_100, 2)),
    Recipe("latm", "latm"),
)

_AUDIO = (
    Recipe("3g2", "3g2", codec("aac")),
    Recipe("3gp", "3gp", codec("aac")),
    Recipe("ac3", "ac3"),
    Recipe("ac3", "ac3", codec("ac3_fixed")),
    Recipe("adts", "aac"),
    Recipe("adx", "adx"),
    Recipe("aiff", "aiff"),
    Recipe("alp", "pcm", pcm(22_050)),
    Recipe("apm", "apm", pcm(44_100)),
    Recipe("argo_asf", "asf", pcm(22_050)),
    Recipe("asf", "wma"),
    Recipe("asf", "wma", codec("wmav1")),
    Recipe("ast", "ast"),
    Recipe("au", "au"),
    Recipe("caf", "caf"),
    Recipe("caf", "caf", codec("alac")),
    Recipe("codec2", "c2", pcm(8000), least_tone=0.1),
    Recipe("dts", "dts", ("-strict", "-2")),
    Recipe("eac3", "eac3"),
    Recipe("flac", "flac"),
    Recipe("ipod", "m4a"),
    Recipe("ipod", "m4a", codec("alac")),
    Recipe("ircam", "sf"),
    Recipe("kvag", "vag", pcm(22_050)),
    Recipe("matroska", "mka"),
    Recipe("matroska", "mka", codec("libopus")),
    Recipe("matroska", "mka", codec("tta")),
    Recipe("matroska", "mka", codec("wavpack")),
    Recipe("matroska", "mka", codec("pcm_s24le")),
    Recipe("mlp", "mlp", ("-strict", "-2", *pcm(48_000, 2))),
    Recipe("mmf", "mmf", pcm(8000)),
    Recipe("mp2", "mp2"),
    Recipe("mp2", "mp2", codec("libtwolame")),
    Recipe("mp3", "mp3"),
    Recipe("mp3", "mp3", codec("libshine", *pcm(44_100, 2))),
    Recipe("mxf_opatom", "mxf", pcm(48_000)),
    Recipe("nut", "nut"),
    Recipe("oga", "oga"),
    Recipe("ogg", "ogg"),
    Recipe("ogg", "ogg", codec("vorbis", "-strict", "-2", "-ac", "2")),
    Recipe("opus", "opus"),
    Recipe("opus", "opus", codec("opus", "-strict", "-2")),
    Recipe("rm", "ra", codec("real_144", *pcm(8000))),
    Recipe("rso", "rso", pcm(8000)),
    Recipe("sox", "sox"),
    Recipe("spdif", "spdif", codec("ac3")),
    Recipe("spx", "spx", pcm(16_000)),
    Recipe("swf", "swf", codec("mp3", *pcm(44_100)), slack_seconds=0.4),
    Recipe("truehd", "thd", ("-strict", "-2", *pcm(48_000, 2))),
    Recipe("tta", "tta"),
    Recipe("voc", "voc"),
    Recipe("w64", "w64"),
    Recipe("wav", "wav"),
    Recipe("wav", "wav", codec("pcm_f32le")),
    Recipe("wav", "wav", codec("pcm_u8")),
    Recipe("wav", "wav", codec("adpcm_ms")),
    Recipe("wav", "wav", codec("adpcm_ima_wav")),
    Recipe("wav", "wav", codec("g723_1", *pcm(8000), "-b:a", "6.3k")),
    Recipe("wav", "wav", codec("g726", *pcm(8000))),
    Recipe("wav", "wav", codec("libgsm_ms", *pcm(8000))),
    Recipe("wav", "wav", codec("libmp3lame")),
    Recipe("webm", "webm", codec("libopus")),
    Recipe("wsaud", "aud", codec("adpcm_ima_ws", *pcm(22_050))),
    Recipe("wv", "wv"),
)

_VIDEO = (
    Recipe("amv", "amv", ("-c:v", "amv", "-pix_fmt", "yuvj420p", *pcm(22_050), "-block_size", "882"), video=True),
    Recipe("asf", "wmv", video=True),
    Recipe("avi", "avi", video=True),
    Recipe("avi", "avi", codec("pcm_s16le"), video=True),
    Recipe("dv", "dv", ("-s", "720x576", "-pix_fmt", "yuv420p", *pcm(48_000, 2)), video=True),
    Recipe("dvd", "vob", video=True),
    Recipe("f4v", "f4v", video=True),
    Recipe("film_cpk", "cpk", video=True),
    Recipe("flv", "flv", pcm(44_100), video=True),
    Recipe("flv", "flv", codec("nellymoser", *pcm(22_050)), video=True),
    Recipe("gxf", "gxf", (*_PAL, *pcm(48_000)), video=True),
    Recipe("ismv", "ismv", video=True),
    Recipe("matroska", "mkv", video=True),
    Recipe("mov", "mov", video=True),
    Recipe("mov", "mov", codec("adpcm_ima_qt"), video=True),
    Recipe("mp4", "mp4", video=True),
    Recipe("mp4", "mp4", codec("libopus"), video=True),
    Recipe("mpeg", "mpg", video=True),
    Recipe("mpegts", "ts", video=True),
    Recipe("mpegts", "ts", codec("s302m", "-strict", "-2", *pcm(48_000, 2)), video=True),
    Recipe("mxf", "mxf", video=True),
    Recipe(
        "mxf_d10",
        "mxf",
        (*_PAL, *_D10.split(), "-intra_vlc", "1", "-g", "1", "-pix_fmt", "yuv422p", *codec("pcm_s16le", *pcm(48_000))),
        video=True,
    ),
    Recipe("nut", "nut", video=True),
    Recipe("ogv", "ogv", video=True),
    Recipe("psp", "mp4", ("-s", "176x144", "-r", "29.97"), video=True),
    Recipe("rm", "rm", pcm(44_100), video=True),
    Recipe("smjpeg", "smjpeg", video=True),
    Recipe("svcd", "mpg", video=True),
    Recipe("swf", "swf", pcm(44_100), video=True, slack_seconds=0.4),
    Recipe("vcd", "mpg", video=True),
    Recipe("vob", "vob", video=True),
    Recipe("wtv", "wtv", video=True),
)

RECIPES: tuple[Recipe, ...] = (*_RAW, *_BY_EXTENSION, *_AUDIO, *_VIDEO)

NOT_UPLOADED: dict[str, tuple[str, ...]] = {
    "a device or a stream over the network": words(
        "alsa caca fbdev opengl oss pulse rtp rtp_mpegts rtsp sap sdl,sdl2 video4linux2,v4l2 xv"
    ),
    "text, hashes or tests about media": words(
        "chromaprint crc ffmetadata fifo fifo_test framecrc framehash framemd5 hash md5 mkvtimestamp_v2 null "
        "streamhash tee uncodedframecrc data"
    ),
    "several files, or a playlist of them": words(
        "dash hds hls segment stream_segment,ssegment smoothstreaming webm_chunk webm_dash_manifest"
    ),
    "pictures, or video that holds no sound": words(
        "a64 apng avif avm2 avs2 avs3 cavsvideo dirac dnxhd filmstrip fits gif h261 h263 h264 hevc ico image2 "
        "image2pipe ivf m4v mjpeg mpeg1video mpeg2video mpjpeg obu rawvideo vc1 vc1test webp yuv4mpegpipe"
    ),
    "subtitles": words("ass jacosub lrc microdvd scc srt sup ttml webvtt"),
    "this ffmpeg cannot read it back, or has no encoder for it": words(
        "amr argo_cvg asf_stream bit codec2raw daud ilbc oma roq"
    ),
    "headerless, and no name says what it is": words("g726 g726le u16be u16le u24be u24le u32be u32le vidc"),
}
