"""Decodes a recording: ffmpeg → every sound in its place, no invalid samples → band-pass, measured on the way."""

from array import array
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from io import RawIOBase
from pathlib import Path

from whisperjob.model.errors import InputError
from whisperjob.model.machine_faults import NoSpaceError
from whisperjob.model.phase import Profile
from whisperjob.worker.processes.limits import Limits
from whisperjob.worker.processes.report_pipes import LineReader, PolledPipe
from whisperjob.worker.processes.runner import Program
from whisperjob_optimizer import command, steps
from whisperjob_optimizer.downmix import MAX_PROBED_CHANNELS, Mix
from whisperjob_optimizer.file_clock import FileClock, Segment, place_frames
from whisperjob_optimizer.progress import read_rows
from whisperjob_optimizer.sample_repair import PIECE_BYTES, SampleRepair
from whisperjob_optimizer.tools import Workspace

_ZEROS = bytes(PIECE_BYTES)


@dataclass(frozen=True, slots=True)
class SampleLimit:
    """How many samples a recording may have, silence between its parts included, and the error if it has more."""

    samples: int
    error: InputError | NoSpaceError


@dataclass(frozen=True, slots=True)
class DecodedRecording:
    """`levels` are those of channels and mix in probed moments; `failed` is True if ffmpeg reported an error.

    `repaired` is True if samples were replaced, see sample_repair.py.
    """

    pcm: steps.PcmFile
    levels: list[list[float]]
    failed: bool
    repaired: bool


def decode(
    workspace: Workspace,
    source: command.FfmpegInput,
    mix: Mix,
    layout: str,
    profile: Profile,
    clock: FileClock | None,
    limit: SampleLimit,
    program_limits: Limits,
    path: Path,
    on_seconds: steps.OnSeconds,
    *,
    valid_only: bool = False,
) -> DecodedRecording:
    """Decodes into `path`, `valid_only` as in command.decode. Without a `clock`, the sound has no gaps.

    Raises InputError by `limit`.
    """
    momentary: array[float] = array("f")
    rows: list[dict[str, float]] = []
    progress = steps.progress_reader(on_seconds)
    loudness = steps.loudness_reader(momentary)
    channels = LineReader(partial(read_rows, into=rows)) if 1 < len(mix.weights) <= MAX_PROBED_CHANNELS else None
    times = PolledPipe() if clock else None
    decoding = command.decode(
        workspace.tools.ffmpeg,
        source,
        mix,
        layout,
        channels_fd=channels.fd if channels else None,
        times_fd=times.fd if times else None,
        valid_only=valid_only,
    )
    filtering = command.band_pass(workspace.tools.ffmpeg, profile, progress_fd=progress.fd, loudness_fd=loudness.fd)
    repair = SampleRepair()

    def convert(output: RawIOBase) -> Iterator[bytes]:
        left = limit.samples * steps.SAMPLE_BYTES
        for piece in (
            _in_place(output, clock, times) if clock and times else iter(partial(output.read, PIECE_BYTES), b"")
        ):
            left -= len(piece)
            if left < 0:
                raise limit.error
            yield repair.feed(piece)
        yield repair.flush()

    with path.open("wb") as out:
        decoded, filtered = workspace.runner.run_converted(
            Program(decoding, readers=tuple(reader for reader in (channels, times) if reader), limits=program_limits),
            convert,
            Program(filtering, stdout=out, readers=(progress, loudness)),
        )
    steps.check_success(workspace, filtered)
    pcm = steps.measured(path, momentary)
    return DecodedRecording(pcm, [list(row.values()) for row in rows], decoded.returncode != 0, repair.found)


def _in_place(output: RawIOBase, clock: FileClock, times: PolledPipe) -> Iterator[bytes]:
    """Yields the decoder's output with silence where the clock has gaps, in pieces of at most PIECE_BYTES.

    The decoder passes on the time of each frame before its sound, but writes both at once: a time may be late.
    """
    sound = 0
    segments: deque[Segment] = deque()
    while piece := times.read_beside(output, PIECE_BYTES):
        segments.extend(place_frames(clock, times.take_lines()))
        while piece:
            while not sound and not segments and (lines := times.take_lines(wait=True)):
                segments.extend(place_frames(clock, lines))
            if not sound and segments:
                segment = segments.popleft()
                sound = segment.samples * steps.SAMPLE_BYTES
                yield from _silence(segment.silence * steps.SAMPLE_BYTES)
            part = piece[: sound or None]
            sound = max(0, sound - len(part))
            piece = piece[len(part) :]
            yield part


def _silence(count: int) -> Iterator[bytes]:
    while count > 0:
        yield _ZEROS[:count]
        count -= len(_ZEROS)
