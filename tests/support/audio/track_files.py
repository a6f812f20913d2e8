"""Writes recordings with several audio tracks, each a tone of its own pitch, so that a test hears which were used."""

from dataclasses import dataclass
from pathlib import Path

from support.audio.media import ffmpeg

SILENCE_HZ = 0


@dataclass(frozen=True, slots=True)
class ToneTrack:
    """One audio track: a tone (0 is silence) at a level, from `begin` on, with what the container says of it."""

    hz: int
    level_db: float = -12.0
    language: str | None = None
    title: str | None = None
    marks: str = "0"
    """ffmpeg's dispositions: `default`, `comment`, … or 0 for none."""

    codec: str = ""
    channels: int = 1
    begin: float = 0.0
    empty: bool = False
    """Without a single packet."""


def write_tracks(path: Path, *tracks: ToneTrack, seconds: float = 6.0, options: tuple[str, ...] = ()) -> Path:
    """Writes a file of these tracks; `options` go to the muxer."""
    inputs: list[str] = []
    outputs: list[str] = []
    for index, track in enumerate(tracks):
        tone = f"0.9*sin(2*PI*{track.hz}*t)" if track.hz else "0"
        source = f"aevalsrc=exprs='{'|'.join([tone] * track.channels)}':s=48000:d={seconds},volume={track.level_db}dB"
        source += ",aselect=0" if track.empty else ""
        inputs += [*("-itsoffset", str(track.begin)), "-f", "lavfi"]
        inputs += ["-t", str(seconds - track.begin), "-i", source]
        outputs += ["-map", f"{index}:a", f"-disposition:a:{index}", track.marks]
        outputs += [f"-metadata:s:a:{index}", f"language={track.language}"] if track.language else []
        outputs += [f"-metadata:s:a:{index}", f"title={track.title}"] if track.title else []
        outputs += [f"-c:a:{index}", track.codec] if track.codec else []
    ffmpeg(*inputs, *outputs, *options, path)
    return path
