"""The steps of the pipeline except decoding, each a function from files to files: it runs programs and reads what they
measure.

No decisions on sound or cuts are made here; pipeline.py has the order.
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
from whisperjob.worker.processes.limits import Limits
from whisperjob.worker.processes.report_pipes import LineReader
from whisperjob.worker.processes.runner import TO_CALLER, CompletedProgram, Program, ProgramError
from whisperjob_optimizer import budget, chunks, command, formats, mp3_sizes, probe
from whisperjob_optimizer.loudness import (
    ABSOLUTE_GATE_LUFS,
    HOP_SAMPLES,
    PARTIAL_BLOCKS,
    WINDOW_SAMPLES,
    Enhancement,
    OutputGain,
    integrated_lufs,
    rms_lufs,
)
from whisperjob_optimizer.progress import parse_metadata, parse_progress, read_values
from whisperjob_optimizer.tools import Workspace

SAMPLE_BYTES = 4
_MIN_RANGE_SAMPLES = 120 * SAMPLE_RATE
"""The shortest range of a recording that is worth a process of its own."""

_LATER_CHUNK_NICENESS = 10
"""A tenth of the processor where another program needs it, too."""

_MEASURED_WINDOWS = 8
_MEASURED_SECONDS = 5.0
"""Windows in which tracks are compared: long enough for some words, and half a second of work each."""

_CUT_WINDOW = SAMPLE_RATE // 20
_NO_SPACE = "No space left on device"
_FULL_DISK_BYTES = 1024 * 1024

_READ_BYTES = 65_536

T = TypeVar("T")

OnSeconds = Callable[[float], None]
"""Called with the seconds of sound that a step has done so far."""


@dataclass(frozen=True, slots=True)
class PcmFile:
    """A file of 16 kHz mono float samples, and its momentary loudness (see loudness.py)."""

    path: Path
    samples: int
    momentary: "array[float]"

    def read(self, start: int, end: int) -> "array[float]":
        """Returns the samples from `start` to `end`."""
        samples = array("f")
        with self.path.open("rb") as file:
            file.seek(start * SAMPLE_BYTES)
            samples.frombytes(file.read((end - start) * SAMPLE_BYTES))
        return samples


def measured(path: Path, momentary: "array[float]") -> PcmFile:
    """Returns a file that was written whole, with what was measured of it; a sound too short for that has one value."""
    pcm = PcmFile(path, path.stat().st_size // SAMPLE_BYTES, momentary)
    if 0 < pcm.samples < WINDOW_SAMPLES:
        return PcmFile(path, pcm.samples, array("f", [rms_lufs(pcm.read(0, pcm.samples))]))
    return pcm


@dataclass(frozen=True, slots=True)
class EncodedChunk:
    """An MP3, and its loudness and true peak when decoded."""

    path: Path
    momentary: "array[float]"
    true_peak_dbtp: float


@dataclass(frozen=True, slots=True)
class Examined:
    """What the probe found, and how the recording must be opened from now on."""

    path: Path
    output: probe.ProbeOutput
    probe_bytes: int = formats.PROBE_BYTES


def examine(workspace: Workspace, source: Path, extension: str, skipped_bytes: int = 0) -> Examined:
    """Probes the recording behind `skipped_bytes`. Raises InputError (resource_limit) for an answer without end.

    The content counts first, so that a real container under a wrong name is recognised. Only if the content says little
    (formats without a signature) is the extension considered.
    """
    examined = probe_file(workspace, _link_source(workspace.scratch, source, ""), skipped_bytes)
    if examined.output.score >= probe.CONFIDENT_SCORE or not extension:
        return examined
    named = probe_file(workspace, _link_source(workspace.scratch, source, extension), skipped_bytes)
    return named if named.output.score >= max(examined.output.score, 1) else examined


def _link_source(scratch: Path, source: Path, extension: str) -> Path:
    link = scratch / (f"source.{extension}" if extension else "source")
    link.symlink_to(source)
    return link


def probe_file(workspace: Workspace, path: Path, skipped_bytes: int = 0) -> Examined:
    """Probes a file in the scratch folder; again, further, if there is sound whose format was not found yet."""

    def read(probe_bytes: int) -> probe.ProbeOutput:
        argv = command.probe(workspace.tools.ffprobe, path.name, probe_bytes, skipped_bytes)
        answer = bytearray()
        with workspace.runner.start(Program(argv, stdout=TO_CALLER, limits=budget.probe_limits())) as running:
            while piece := running.output.read(_READ_BYTES):
                answer += piece
                if len(answer) > budget.PROBE_ANSWER_BYTES:
                    raise budget.to_verdict("description")
            running.wait()
        return probe.parse_output(answer.decode(errors="replace"))

    output = read(formats.PROBE_BYTES)
    if not probe.sound_begins_later(output) or path.stat().st_size <= formats.PROBE_BYTES:
        return Examined(path, output)
    return Examined(path, read(formats.FAR_PROBE_BYTES), formats.FAR_PROBE_BYTES)


def measure_tracks(
    workspace: Workspace,
    source: command.FfmpegInput,
    indices: Sequence[int],
    total_seconds: float | None,
    limits: Limits,
) -> list[float | None]:
    """Estimates the integrated loudness of audio tracks by short windows that are spread over the recording; by its
    beginning where its length is not known. Tracks that are silent there are measured as a whole: None is silence."""
    windows = [(0.0, _MEASURED_WINDOWS * _MEASURED_SECONDS)]
    if total_seconds is not None and total_seconds > windows[0][1]:
        step = (total_seconds - _MEASURED_SECONDS) / (_MEASURED_WINDOWS - 1)
        windows = [(step * place, _MEASURED_SECONDS) for place in range(_MEASURED_WINDOWS)]
    levels = _measure_windows(workspace, source, indices, windows, limits)
    silent = [index for index in indices if levels[index] is None]
    if silent:
        levels |= _measure_windows(workspace, source, silent, [(0.0, None)], limits)
    return [levels[index] for index in indices]


def _measure_windows(
    workspace: Workspace,
    source: command.FfmpegInput,
    indices: Sequence[int],
    windows: Sequence[tuple[float, float | None]],
    limits: Limits,
) -> dict[int, float | None]:
    """Returns the loudness of each track in all windows, (start, seconds), together.

    If a decoder cannot be opened, ffmpeg gives up on all tracks: they are measured one by one. What cannot be decoded
    counts as very quiet.
    """
    values: dict[int, array[float]] = {index: array("f") for index in indices}
    for start, seconds in windows:
        found: dict[int, array[float]] = {index: array("f") for index in indices}
        readers = {index: loudness_reader(found[index]) for index in indices}
        fds = {index: reader.fd for index, reader in readers.items()}
        argv = command.measure_tracks(workspace.tools.ffmpeg, source, start, seconds, fds)
        program = Program(argv, readers=tuple(readers.values()), limits=limits)
        if workspace.runner.run(program).returncode:
            if len(indices) == 1:
                return dict.fromkeys(indices, ABSOLUTE_GATE_LUFS)
            apart = (_measure_windows(workspace, source, [index], windows, limits) for index in indices)
            return {index: level for one in apart for index, level in one.items()}
        for index in indices:
            values[index].extend(found[index][PARTIAL_BLOCKS:])
    return {index: integrated_lufs(values[index]) for index in indices}


def add(workspace: Workspace, one: PcmFile, gain_db: float, two: PcmFile, two_gain_db: float, path: Path) -> PcmFile:
    """Adds two sounds, each with its gain, into `path`; the shorter one is followed by silence."""
    momentary: array[float] = array("f")
    loudness = loudness_reader(momentary)
    argv = command.add(
        workspace.tools.ffmpeg, one.path.name, gain_db, two.path.name, two_gain_db, loudness_fd=loudness.fd
    )
    with path.open("wb") as out:
        check_success(workspace, workspace.runner.run(Program(argv, stdout=out, readers=(loudness,))))
    total = measured(path, momentary)
    if total.samples != max(one.samples, two.samples):
        raise ProgramError("adding tracks changed the number of samples")
    return total


def lengthen(pcm: PcmFile, samples: int) -> PcmFile:
    """Puts silence behind a sound, in its file, so that it has `samples`."""
    if pcm.samples >= samples:
        return pcm
    with pcm.path.open("r+b") as file:
        file.truncate(samples * SAMPLE_BYTES)
    missing = samples // HOP_SAMPLES - len(pcm.momentary)
    return PcmFile(pcm.path, samples, pcm.momentary + array("f", [-math.inf]) * max(0, missing))


def enhance(workspace: Workspace, pcm: PcmFile, enhancement: Enhancement, path: Path, on_seconds: OnSeconds) -> PcmFile:
    """Applies gate and compressor to the recording, in parallel ranges that begin with what comes before them."""
    count = max(1, min(workspace.tools.cores, pcm.samples // _MIN_RANGE_SAMPLES))
    per_range = -(-pcm.samples // count // HOP_SAMPLES) * HOP_SAMPLES
    starts = range(0, pcm.samples, per_range)
    range_values: list[array[float]] = [array("f") for _ in starts]
    progress_sum = ProgressSum(len(starts), on_seconds)
    with path.open("wb") as out:
        out.truncate(pcm.samples * SAMPLE_BYTES)

    def enhance_range(index: int) -> None:
        start = starts[index]
        samples = min(per_range, pcm.samples - start)
        before = min(start, command.ENHANCEMENT_ROLL)
        progress = progress_reader(progress_sum.part(index))
        loudness = loudness_reader(range_values[index])
        argv = command.enhance(
            workspace.tools.ffmpeg, enhancement, samples, before, progress_fd=progress.fd, loudness_fd=loudness.fd
        )
        with pcm.path.open("rb") as source, path.open("r+b") as out:
            source.seek((start - before) * SAMPLE_BYTES)
            out.seek(start * SAMPLE_BYTES)
            program = Program(argv, stdin=source, stdout=out, readers=(progress, loudness))
            check_success(workspace, workspace.runner.run(program))
        del range_values[index][: before // HOP_SAMPLES]

    _run_in_parallel(workspace, enhance_range, len(starts))
    momentary: array[float] = array("f")
    for values in range_values:
        momentary.extend(values)
    if path.stat().st_size != pcm.samples * SAMPLE_BYTES:
        raise ProgramError("enhancement changed the number of samples")
    return measured(path, momentary)


def encode(
    workspace: Workspace,
    pcm: PcmFile,
    ranges: Sequence[chunks.ChunkRange],
    output_gain: OutputGain,
    files: Sequence[Path],
    on_seconds: OnSeconds,
) -> list[EncodedChunk]:
    """Encodes one MP3 per range into `files`, in parallel, and measures each as it is made.

    The first chunk goes before the others. The last chunk is the shortest as a rule; without priority the longest would
    be the last to end, with one encoder for all cores.
    """
    progress_sum = ProgressSum(len(ranges), on_seconds)

    def encode_chunk(index: int) -> EncodedChunk:
        niceness = _LATER_CHUNK_NICENESS if index else 0
        return _encode_chunk(
            workspace, pcm, ranges[index], output_gain, files[index], progress_sum.part(index), niceness
        )

    return _run_in_parallel(workspace, encode_chunk, len(ranges))


def _encode_chunk(
    workspace: Workspace,
    pcm: PcmFile,
    chunk: chunks.ChunkRange,
    output_gain: OutputGain,
    path: Path,
    on_seconds: OnSeconds,
    niceness: int,
) -> EncodedChunk:
    before = min(chunk.start, command.LIMITER_ROLL)
    after = min(pcm.samples - chunk.end, command.LIMITER_ROLL)
    momentary: array[float] = array("f")
    peaks: list[float] = []
    progress = progress_reader(on_seconds)
    loudness = loudness_reader(momentary)
    peak = LineReader(partial(_read_highest, into=peaks))
    ffmpeg = workspace.tools.ffmpeg
    encoding = command.encode(ffmpeg, output_gain, chunk.samples, before, after, path.name, progress_fd=progress.fd)
    measuring = command.measure_mp3(ffmpeg, loudness_fd=loudness.fd, peak_fd=peak.fd)
    with pcm.path.open("rb") as source:
        source.seek((chunk.start - before) * SAMPLE_BYTES)
        encoded, measured = workspace.runner.run_linked(
            Program(encoding, stdin=source, readers=(progress,), folder=path.parent, niceness=niceness),
            Program(measuring, readers=(loudness, peak), niceness=niceness),
        )
    check_success(workspace, encoded)
    check_success(workspace, measured)
    _correct_info_frame(path, chunk.samples)
    return EncodedChunk(path, momentary, max(peaks, default=-math.inf))


def _correct_info_frame(path: Path, samples: int) -> None:
    """Makes the Info frame say exactly `samples`, see mp3.with_samples. Raises ProgramError."""
    with path.open("r+b") as file:
        info_frame = file.read(mp3_sizes.FRAME_BYTES)
        try:
            exact = with_samples(info_frame, samples)
        except Mp3Error as error:
            raise ProgramError(f"{path.name}: {error}") from error
        if exact != info_frame:
            file.seek(0)
            file.write(exact)


def cut_finder(pcm: PcmFile, quiet_lufs: float) -> chunks.CutFinder:
    """Returns a function that finds cuts: the quietest 400 ms, then the quietest twentieth of a second in them."""

    def find_cut(low: int, high: int) -> chunks.CutPoint:
        window = chunks.quietest_window(pcm.momentary, low, high)
        if window is None:
            return chunks.CutPoint(high, quiet=False)
        start, end, level = window
        at = start + chunks.quietest_sample(pcm.read(start, end), _CUT_WINDOW)
        return chunks.CutPoint(at, level <= quiet_lufs)

    return find_cut


class ProgressSum:
    """Adds up the progress of programs that run in parallel."""

    def __init__(self, count: int, on_seconds: OnSeconds) -> None:
        self._done = [0.0] * count
        self._on_seconds = on_seconds

    def part(self, index: int) -> OnSeconds:
        """Returns the callback for one of the programs."""

        def on_seconds(seconds: float) -> None:
            self._done[index] = seconds
            self._on_seconds(sum(self._done))

        return on_seconds


def _run_in_parallel(workspace: Workspace, work: Callable[[int], T], count: int) -> list[T]:
    """Calls `work` for each index, on one thread per core at a time. The first error kills all programs."""
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


def progress_reader(on_seconds: OnSeconds) -> LineReader:
    """Reports the seconds of output that a program has made so far, by its `-progress` reports."""

    def consume(lines: Iterable[str]) -> None:
        for line in lines:
            if (seconds := parse_progress(line)) is not None:
                on_seconds(seconds)

    return LineReader(consume)


def loudness_reader(into: "array[float]") -> LineReader:
    """Appends a program's momentary loudness, in LUFS, to `into`."""
    return LineReader(partial(read_values, into=into, offset=command.RAISED_DB))


def _read_highest(lines: Iterable[str], into: list[float]) -> None:
    """Leaves the highest of all values in `into`."""
    for line in lines:
        if (parsed := parse_metadata(line)) is not None:
            into[:] = [max([parsed[1], *into])]


def check_success(workspace: Workspace, completed: CompletedProgram) -> None:
    """Raises OSError for a full disk, ProgramError for every other failure whose cause is not known.

    An ffmpeg with two outputs ends well although one of them could not be written.
    """
    if completed.returncode or _NO_SPACE in completed.stderr_tail:
        _check_disk(workspace.scratch, completed)
        raise ProgramError(f"ffmpeg failed ({completed.returncode}): {completed.stderr_tail[-300:]}")


def _check_disk(scratch: Path, completed: CompletedProgram) -> None:
    if _NO_SPACE in completed.stderr_tail or shutil.disk_usage(scratch).free < _FULL_DISK_BYTES:
        raise OSError(errno.ENOSPC, "no space left in the scratch folder")
