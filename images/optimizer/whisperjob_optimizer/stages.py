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
from whisperjob.worker.processes.line_reader import LineReader
from whisperjob.worker.processes.runner import CompletedProgram, Program, ProgramError
from whisperjob_optimizer import chunks, command, mp3_sizes, probe
from whisperjob_optimizer.downmix import MAX_PROBED_CHANNELS, Mix
from whisperjob_optimizer.loudness import TRACK_SAMPLES, WINDOW_SAMPLES, Enhancement, Finish, rms_lufs
from whisperjob_optimizer.progress import metadata_value, progress_seconds, read_rows, read_track
from whisperjob_optimizer.tools import Workspace

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


def examine(workspace: Workspace, source: Path, extension: str) -> tuple[Path, probe.Report]:
    """What ffprobe makes of the recording, and the name by which it must be opened from now on.

    Content comes first, so that a real container under a wrong name stays what it is. Only where content says little
    (formats without a signature) does the extension get a word.
    """
    path = _name_source(workspace.scratch, source, "")
    report = _probe(workspace, path)
    if report.score >= probe.CONFIDENT_SCORE or not extension:
        return path, report
    named = _name_source(workspace.scratch, source, extension)
    second = _probe(workspace, named)
    return (named, second) if second.score >= max(report.score, 1) else (path, report)


def _name_source(scratch: Path, source: Path, extension: str) -> Path:
    name = scratch / (f"source.{extension}" if extension else "source")
    name.symlink_to(source)
    return name


def _probe(workspace: Workspace, path: Path) -> probe.Report:
    return probe.parse(workspace.runner.read_output(command.probe(workspace.tools.ffprobe, path.name)))


def decode(
    workspace: Workspace,
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
    progress = _progress_reader(on_seconds)
    loudness = _track_reader(track)
    channels = LineReader(partial(read_rows, into=rows)) if 1 < len(mix.weights) <= MAX_PROBED_CHANNELS else None
    ffmpeg = workspace.tools.ffmpeg
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
        decoded, filtered = workspace.runner.run_linked(
            Program(decoding, readers=(channels,) if channels else ()),
            Program(filtering, stdout=out, readers=(progress, loudness)),
        )
    _succeed(workspace, filtered)
    pcm = Pcm(path, path.stat().st_size // SAMPLE_BYTES, track)
    if 0 < pcm.samples < WINDOW_SAMPLES:
        pcm = Pcm(path, pcm.samples, array("f", [rms_lufs(pcm.read(0, pcm.samples))]))
    return Decoded(pcm, [list(row.values()) for row in rows], decoded.returncode != 0)


def enhance(workspace: Workspace, pcm: Pcm, enhancement: Enhancement, path: Path, on_seconds: OnSeconds) -> Pcm:
    """Gate and compressor over the whole recording, in ranges side by side that know what came before them."""
    count = max(1, min(workspace.tools.cores, pcm.samples // _RANGE_SAMPLES))
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
        progress = _progress_reader(shares.of(index))
        loudness = _track_reader(tracks[index])
        argv = command.enhance(
            workspace.tools.ffmpeg, enhancement, samples, before, progress_fd=progress.fd, track_fd=loudness.fd
        )
        with pcm.path.open("rb") as source, path.open("r+b") as out:
            source.seek((start - before) * SAMPLE_BYTES)
            out.seek(start * SAMPLE_BYTES)
            _succeed(
                workspace, workspace.runner.run(Program(argv, stdin=source, stdout=out, readers=(progress, loudness)))
            )
        del tracks[index][: before // TRACK_SAMPLES]

    _side_by_side(workspace, one, len(starts))
    whole: array[float] = array("f")
    for track in tracks:
        whole.extend(track)
    if path.stat().st_size != pcm.samples * SAMPLE_BYTES:
        raise ProgramError("enhancement changed the number of samples")
    if pcm.samples < WINDOW_SAMPLES:
        enhanced = Pcm(path, pcm.samples, whole)
        whole = array("f", [rms_lufs(enhanced.read(0, pcm.samples))])
    return Pcm(path, pcm.samples, whole)


def encode(
    workspace: Workspace,
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
        return _encode_one(workspace, pcm, pieces[index], finish, folder / name, shares.of(index), niceness)

    return _side_by_side(workspace, one, len(pieces))


def _encode_one(
    workspace: Workspace,
    pcm: Pcm,
    piece: chunks.Piece,
    finish: Finish,
    path: Path,
    on_seconds: OnSeconds,
    niceness: int,
) -> Encoded:
    before = min(piece.start, command.LIMITER_ROLL)
    after = min(pcm.samples - piece.end, command.LIMITER_ROLL)
    track: array[float] = array("f")
    peaks: list[float] = []
    progress = _progress_reader(on_seconds)
    loudness = _track_reader(track)
    loudest = LineReader(partial(_keep_highest, into=peaks))
    ffmpeg = workspace.tools.ffmpeg
    encoding = command.encode(ffmpeg, finish, piece.samples, before, after, path.name, progress_fd=progress.fd)
    listening = command.listen(ffmpeg, track_fd=loudness.fd, peak_fd=loudest.fd)
    with pcm.path.open("rb") as source:
        source.seek((piece.start - before) * SAMPLE_BYTES)
        encoded, listened = workspace.runner.run_linked(
            Program(encoding, stdin=source, readers=(progress,), folder=path.parent, niceness=niceness),
            Program(listening, readers=(loudness, loudest), niceness=niceness),
        )
    _succeed(workspace, encoded)
    _succeed(workspace, listened)
    with path.open("r+b") as file:
        head = file.read(mp3_sizes.FRAME_BYTES)
        try:
            exact = with_samples(head, piece.samples)
        except Mp3Error as error:
            raise ProgramError(f"{path.name}: {error}") from error
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


def _side_by_side(workspace: Workspace, work: Callable[[int], T], count: int) -> list[T]:
    """As many at a time as there are cores; the first error ends them all."""
    if count == 1:
        return [work(0)]
    with ThreadPoolExecutor(max_workers=workspace.tools.cores) as pool:
        futures = [pool.submit(work, index) for index in range(count)]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            workspace.runner.kill_all()
            raise


def _progress_reader(on_seconds: OnSeconds) -> LineReader:
    """Reports the seconds of output that a program has made so far, as its `-progress` output says."""

    def consume(lines: Iterable[str]) -> None:
        for line in lines:
            if (seconds := progress_seconds(line)) is not None:
                on_seconds(seconds)

    return LineReader(consume)


def _track_reader(into: "array[float]") -> LineReader:
    return LineReader(partial(read_track, into=into, too_high=command.RAISED_DB))


def _keep_highest(lines: Iterable[str], into: list[float]) -> None:
    for line in lines:
        if (found := metadata_value(line)) is not None:
            into[:] = [max([found[1], *into])]


def _succeed(workspace: Workspace, completed: CompletedProgram) -> None:
    if completed.returncode:
        _check_disk(workspace.scratch, completed)
        raise ProgramError(f"ffmpeg failed ({completed.returncode}): {completed.stderr_tail[-300:]}")


def _check_disk(scratch: Path, completed: CompletedProgram) -> None:
    if "No space left on device" in completed.stderr_tail or shutil.disk_usage(scratch).free < _FULL_DISK_BYTES:
        raise OSError(errno.ENOSPC, "no space left in the scratch folder")
