"""The stages of the pipeline, each a function from files to files: it starts the programs and hears what they measure.

No decisions on sound or cuts are made here; see pipeline.py for the order.
"""

import errno
import math
import shutil
from array import array
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from whisperjob.model.manifest import SAMPLE_RATE
from whisperjob.model.mp3 import Mp3Error, with_samples
from whisperjob.model.names import chunk_name
from whisperjob.model.phase import Profile
from whisperjob_optimizer import chunks, command, mp3_sizes, probe
from whisperjob_optimizer.downmix import MAX_PROBED_CHANNELS, Mix
from whisperjob_optimizer.loudness import TRACK_SAMPLES, WINDOW_SAMPLES, Enhancement, Finish, rms_lufs
from whisperjob_optimizer.progress import metadata_value, read_rows, read_track
from whisperjob_optimizer.runner import Call, Ended, Listener, Runner, ToolError, progress_listener

SAMPLE_BYTES = 4
_RANGE_SAMPLES = 120 * SAMPLE_RATE
"""The shortest range of a recording that is worth a process of its own."""

_STAND_BACK = 10
"""Niceness: a tenth of the processor where another wants it too."""

_CUT_WINDOW = SAMPLE_RATE // 20
_FULL_DISK_BYTES = 1024 * 1024

T = TypeVar("T")

OnSeconds = Callable[[float], None]
"""Called with the seconds of sound a stage has done so far."""


@dataclass(frozen=True, slots=True)
class Pcm:
    """A file of 16 kHz mono float samples, and its momentary loudness (see loudness.py)."""

    path: Path
    samples: int
    track: "array[float]"

    def read(self, start: int, end: int) -> "array[float]":
        samples = array("f")
        with self.path.open("rb") as file:
            file.seek(start * SAMPLE_BYTES)
            samples.frombytes(file.read((end - start) * SAMPLE_BYTES))
        return samples


@dataclass(frozen=True, slots=True)
class Decoded:
    """`rows` are the levels of channels and mix in probed moments; `failed` says that ffmpeg was not content."""

    pcm: Pcm
    rows: list[list[float]]
    failed: bool


@dataclass(frozen=True, slots=True)
class Encoded:
    """An MP3, as it sounds when decoded."""

    path: Path
    track: "array[float]"
    true_peak_dbtp: float


def examine(runner: Runner, source: Path, extension: str) -> tuple[Path, probe.Report]:
    """What ffprobe makes of the recording, and the name by which it must be opened from now on.

    Content comes first, so that a real container under a wrong name stays what it is. Only where content says little
    (formats without a signature) does the extension get a word.
    """
    path = _name_source(runner.scratch, source, "")
    report = _probe(runner, path)
    if report.score >= probe.CONFIDENT_SCORE or not extension:
        return path, report
    named = _name_source(runner.scratch, source, extension)
    second = _probe(runner, named)
    return (named, second) if second.score >= max(report.score, 1) else (path, report)


def _name_source(scratch: Path, source: Path, extension: str) -> Path:
    name = scratch / (f"source.{extension}" if extension else "source")
    name.symlink_to(source)
    return name


def _probe(runner: Runner, path: Path) -> probe.Report:
    return probe.parse(runner.output(command.probe(runner.tools.ffprobe, path.name)))


def decode(
    runner: Runner,
    source: command.Input,
    mix: Mix,
    layout: str,
    profile: Profile,
    max_samples: int,
    path: Path,
    on_seconds: OnSeconds,
) -> Decoded:
    """At most `max_samples` (and a little more, to tell that there was more)."""
    track: array[float] = array("f")
    rows: list[dict[str, float]] = []
    progress = progress_listener(on_seconds)
    loudness = _track_listener(track)
    channels = Listener(partial(read_rows, into=rows)) if 1 < len(mix.weights) <= MAX_PROBED_CHANNELS else None
    ffmpeg = runner.tools.ffmpeg
    decoding = command.decode(
        ffmpeg,
        source,
        mix,
        layout,
        max_seconds=max_samples / SAMPLE_RATE + 1,
        channels_fd=channels.fd if channels else None,
    )
    filtering = command.band_pass(ffmpeg, profile, progress_fd=progress.fd, track_fd=loudness.fd)
    with path.open("wb") as out:
        decoded, filtered = runner.run_linked(
            Call(decoding, listeners=(channels,) if channels else ()),
            Call(filtering, stdout=out, listeners=(progress, loudness)),
        )
    _succeed(runner, filtered)
    pcm = Pcm(path, path.stat().st_size // SAMPLE_BYTES, track)
    if 0 < pcm.samples < WINDOW_SAMPLES:
        pcm = Pcm(path, pcm.samples, array("f", [rms_lufs(pcm.read(0, pcm.samples))]))
    return Decoded(pcm, [list(row.values()) for row in rows], decoded.returncode != 0)


def enhance(runner: Runner, pcm: Pcm, enhancement: Enhancement, path: Path, on_seconds: OnSeconds) -> Pcm:
    """Gate and compressor over the whole recording, in ranges side by side that know what came before them."""
    count = max(1, min(runner.tools.cores, pcm.samples // _RANGE_SAMPLES))
    per_range = -(-pcm.samples // count // TRACK_SAMPLES) * TRACK_SAMPLES
    starts = range(0, pcm.samples, per_range)
    tracks: list[array[float]] = [array("f") for _ in starts]
    shares = Shares(len(starts), on_seconds)
    with path.open("wb") as out:
        out.truncate(pcm.samples * SAMPLE_BYTES)

    def one(index: int) -> None:
        start = starts[index]
        samples = min(per_range, pcm.samples - start)
        before = min(start, command.ENHANCEMENT_ROLL)
        progress = progress_listener(shares.of(index))
        loudness = _track_listener(tracks[index])
        argv = command.enhance(
            runner.tools.ffmpeg, enhancement, samples, before, progress_fd=progress.fd, track_fd=loudness.fd
        )
        with pcm.path.open("rb") as source, path.open("r+b") as out:
            source.seek((start - before) * SAMPLE_BYTES)
            out.seek(start * SAMPLE_BYTES)
            _succeed(runner, runner.run(Call(argv, stdin=source, stdout=out, listeners=(progress, loudness))))
        del tracks[index][: before // TRACK_SAMPLES]

    _side_by_side(runner, one, len(starts))
    whole: array[float] = array("f")
    for track in tracks:
        whole.extend(track)
    if path.stat().st_size != pcm.samples * SAMPLE_BYTES:
        raise ToolError("enhancement changed the number of samples")
    if pcm.samples < WINDOW_SAMPLES:
        enhanced = Pcm(path, pcm.samples, whole)
        whole = array("f", [rms_lufs(enhanced.read(0, pcm.samples))])
    return Pcm(path, pcm.samples, whole)


def encode(
    runner: Runner,
    pcm: Pcm,
    pieces: Sequence[chunks.Piece],
    finish: Finish,
    folder: Path,
    on_seconds: OnSeconds,
) -> list[Encoded]:
    """One MP3 per piece in `folder`, side by side, each heard as it is made.

    The first goes before the others, for the last piece is the shortest as a rule: the longest would be left alone to
    the end, with one encoder for all cores.
    """
    shares = Shares(len(pieces), on_seconds)

    def one(index: int) -> Encoded:
        name = chunk_name(index, len(pieces))
        niceness = _STAND_BACK if index else 0
        return _encode_one(runner, pcm, pieces[index], finish, folder / name, shares.of(index), niceness)

    return _side_by_side(runner, one, len(pieces))


def _encode_one(
    runner: Runner, pcm: Pcm, piece: chunks.Piece, finish: Finish, path: Path, on_seconds: OnSeconds, niceness: int
) -> Encoded:
    before = min(piece.start, command.LIMITER_ROLL)
    after = min(pcm.samples - piece.end, command.LIMITER_ROLL)
    track: array[float] = array("f")
    peaks: list[float] = []
    progress = progress_listener(on_seconds)
    loudness = _track_listener(track)
    loudest = Listener(partial(_keep_highest, into=peaks))
    ffmpeg = runner.tools.ffmpeg
    encoding = command.encode(ffmpeg, finish, piece.samples, before, after, path.name, progress_fd=progress.fd)
    listening = command.listen(ffmpeg, track_fd=loudness.fd, peak_fd=loudest.fd)
    with pcm.path.open("rb") as source:
        source.seek((piece.start - before) * SAMPLE_BYTES)
        encoded, listened = runner.run_linked(
            Call(encoding, stdin=source, listeners=(progress,), folder=path.parent, niceness=niceness),
            Call(listening, listeners=(loudness, loudest), niceness=niceness),
        )
    _succeed(runner, encoded)
    _succeed(runner, listened)
    with path.open("r+b") as file:
        head = file.read(mp3_sizes.FRAME_BYTES)
        try:
            exact = with_samples(head, piece.samples)
        except Mp3Error as error:
            raise ToolError(f"{path.name}: {error}") from error
        if exact != head:
            file.seek(0)
            file.write(exact)
    return Encoded(path, track, max(peaks, default=-math.inf))


def quietest_moment(pcm: Pcm, quiet_lufs: float) -> chunks.QuietestMoment:
    """Finds cuts: the quietest 400 ms of the track, then the quietest twentieth of a second in them."""

    def find(low: int, high: int) -> chunks.Cut:
        window = chunks.quietest_window(pcm.track, low, high)
        if window is None:
            return chunks.Cut(high, quiet=False)
        start, end, level = window
        return chunks.Cut(start + chunks.quietest_sample(pcm.read(start, end), _CUT_WINDOW), level <= quiet_lufs)

    return find


class Shares:
    """Sums what programs side by side have done."""

    def __init__(self, count: int, report: OnSeconds) -> None:
        self._done = [0.0] * count
        self._report = report

    def of(self, index: int) -> OnSeconds:
        def done(seconds: float) -> None:
            self._done[index] = seconds
            self._report(sum(self._done))

        return done


def _side_by_side(runner: Runner, work: Callable[[int], T], count: int) -> list[T]:
    """As many at a time as there are cores; the first error ends them all."""
    if count == 1:
        return [work(0)]
    with ThreadPoolExecutor(max_workers=runner.tools.cores) as pool:
        futures = [pool.submit(work, index) for index in range(count)]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            runner.kill()
            raise


def _track_listener(into: "array[float]") -> Listener:
    return Listener(partial(read_track, into=into, too_high=command.RAISED_DB))


def _keep_highest(lines: Iterable[str], into: list[float]) -> None:
    for line in lines:
        if (found := metadata_value(line)) is not None:
            into[:] = [max([found[1], *into])]


def _succeed(runner: Runner, ended: Ended) -> None:
    if ended.returncode:
        _check_disk(runner.scratch, ended)
        raise ToolError(f"ffmpeg failed ({ended.returncode}): {ended.said[-300:]}")


def _check_disk(scratch: Path, ended: Ended) -> None:
    if "No space left on device" in ended.said or shutil.disk_usage(scratch).free < _FULL_DISK_BYTES:
        raise OSError(errno.ENOSPC, "no space left in the scratch folder")
