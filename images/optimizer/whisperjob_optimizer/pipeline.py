"""The optimizer's work, from a recording to MP3s and their manifest. docs/explanation/pipeline.md explains the steps.

    analyzing            probe
    analyzing_loudness   decode once → mono 16 kHz PCM; loudness, noise floor and channels measured on the way
    enhancing            gate and compressor (profile full), then gain, limiter and MP3 per chunk, measured as decoded
    splitting            hash, manifest

Decisions are made in loudness.py, chunks.py, downmix.py and probe.py, and programs are run in steps.py; this module has
the order.
"""

import hashlib
import logging
import tempfile
from array import array
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from whisperjob import __version__
from whisperjob.model import manifest as m
from whisperjob.model.errors import InputError, JobCode, WarningCode
from whisperjob.model.names import safe_extension
from whisperjob.model.phase import STEP_PROGRESS, Profile, Step
from whisperjob.model.protocol import OptimizeOptions, WorkLimits
from whisperjob.worker.processes.deadline import Deadline
from whisperjob_optimizer import (
    chunks,
    command,
    decoding,
    file_signatures,
    foreign_files,
    headers,
    loudness,
    probe,
    sound_settings,
    steps,
)
from whisperjob_optimizer.downmix import Mix, check_mix, default_mix
from whisperjob_optimizer.file_clock import FileClock, silence_limit
from whisperjob_optimizer.loudness import EncodingRound, OutputGain
from whisperjob_optimizer.second_recording import has_second_recording
from whisperjob_optimizer.tools import Tools, Workspace

OnProgress = Callable[[Step, float, float | None], None]
"""Called, from any thread, with a step, the percent of the whole job and, if known, the recording's seconds."""

_ENHANCED_PERCENT = 52.0
"""The percent, between 40 and 85, at which gate and compressor end and encoding begins; by measured time."""

PUBLISHING_PERCENT = 90.0
"""The percent at which hashing has ended and the caller begins to publish."""

_MP3_BYTES_PER_SAMPLE = 0.5
_PARTIAL_BLOCKS = 3
"""The first momentary values, which are computed from less than 400 ms."""

_log = logging.getLogger(__name__)


class _Progress:
    """Reports progress that never goes back and is inside the range of its step."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._highest = 0.0
        self.seconds: float | None = None

    def report(self, step: Step, percent: float) -> None:
        low, high = STEP_PROGRESS[step]
        self._highest = max(self._highest, min(max(percent, low), high))
        self._on_progress(step, self._highest, self.seconds)

    def between(self, step: Step, low: float, high: float, total_seconds: float | None) -> steps.OnSeconds:
        """Returns a callback that converts seconds, of `total_seconds`, into a percent between `low` and `high`."""

        def on_seconds(seconds: float) -> None:
            if total_seconds:
                self.report(step, low + (high - low) * min(1.0, seconds / total_seconds))

        return on_seconds


def optimize(
    source: Path,
    filename: str,
    out_dir: Path,
    scratch: Path,
    options: OptimizeOptions,
    limits: WorkLimits,
    on_progress: OnProgress,
    tools: Tools,
    *,
    source_sha256: str | None = None,
) -> m.Manifest:
    """Writes the chunks into `out_dir` and returns the manifest, which the caller writes last.

    Both folders exist; whatever happens, `scratch` is left as it was. Raises InputError if the recording is at fault,
    ProgramError and OSError for everything else.
    """
    size_bytes = source.stat().st_size
    if size_bytes == 0:
        raise InputError(JobCode.EMPTY_INPUT, "The file is empty.")
    with (
        tempfile.TemporaryDirectory(prefix="optimize-", dir=scratch) as folder,
        ThreadPoolExecutor(max_workers=1) as hashing,
    ):
        workspace = Workspace.create(tools, Path(folder).absolute(), Deadline(limits.run_seconds))
        progress = _Progress(on_progress)
        digest = hashing.submit(lambda: source_sha256 or _sha256(source))
        recording = _examine(workspace, source.absolute(), safe_extension(filename), size_bytes, options, progress)
        audio = _optimize_audio(workspace, recording, out_dir.absolute(), options, limits, progress)
        progress.report(Step.SPLITTING, 85)
        entries = _describe_chunks(audio, progress)
        source_format = recording.format
        return m.Manifest(
            profile=options.profile,
            samples=audio.samples,
            duration_seconds=m.seconds(audio.samples),
            source=m.SourceInfo(
                size_bytes=size_bytes,
                sha256=digest.result(),
                container=source_format.container,
                codec=source_format.codec,
                sample_rate=source_format.sample_rate,
                channels=source_format.channels,
                declared_seconds=source_format.declared_seconds,
            ),
            chunks=entries,
            loudness_before=audio.before,
            loudness_after=audio.after,
            gain_db=round(audio.gain_db, 3),
            noise_floor_lufs=audio.noise_floor,
            warnings=audio.warnings,
            tools=m.ToolVersions(whisperjob=__version__, ffmpeg=source_format.ffmpeg_version),
        )


@dataclass(frozen=True, slots=True)
class _Recording:
    """A recording that was examined: how to open it, and its format."""

    input: command.FfmpegInput
    format: probe.SourceFormat
    exact_seconds: float | None
    size_bytes: int
    encrypted: bool
    has_second: bool


@dataclass(frozen=True, slots=True)
class _OptimizedAudio:
    """The encoded chunks, and what was measured on the way."""

    samples: int
    ranges: list[chunks.ChunkRange]
    encoded: list[steps.EncodedChunk]
    before: m.Loudness
    after: m.Loudness
    gain_db: float
    noise_floor: float | None
    warnings: tuple[WarningCode, ...]


def _examine(
    workspace: Workspace, source: Path, extension: str, size_bytes: int, options: OptimizeOptions, progress: _Progress
) -> _Recording:
    progress.report(Step.ANALYZING, 5)
    with source.open("rb") as file:
        head = file.read(file_signatures.HEAD_BYTES)
        index = file_signatures.read_mp4_index(file)
        second = has_second_recording(file)
    raw = options.raw_format
    if raw is None and file_signatures.is_playlist(head):
        raise InputError(JobCode.PLAYLIST_REFUSED, "The file is a playlist, not a recording.")
    if raw is None and index and file_signatures.mp4_sound_is_encrypted(index):
        raise InputError(JobCode.ENCRYPTED, "The recording is encrypted and cannot be opened.")
    examined = steps.examine(workspace, source, "" if raw else extension)
    path, output = examined.path, examined.output
    raw, rate = raw or probe.identify_telephone_format(output), options.sample_rate
    if raw is not None and options.raw_format is None:
        rate = rate or probe.TELEPHONE_RATE
    if raw is not None:
        source_format = probe.describe_headerless(raw, rate, options.channels, size_bytes, output.version)
        opened = command.FfmpegInput(path.name, raw, source_format.sample_rate, source_format.channels)
    else:
        try:
            source_format = probe.identify(output, head)
        except InputError as error:
            raise _explain(error, head, index) from error
        opened = command.FfmpegInput(path.name, probe_bytes=examined.probe_bytes)
    progress.seconds = source_format.declared_seconds
    progress.report(Step.ANALYZING, 10)
    exact_seconds = None if raw else headers.exact_seconds(head, source_format.exact_seconds)
    encrypted = file_signatures.looks_encrypted(head)
    return _Recording(opened, source_format, exact_seconds, size_bytes, encrypted, second and raw is None)


def _explain(error: InputError, head: bytes, index: bytes | None) -> InputError:
    """Returns the verdict in words that say what the file is, where it is recognised."""
    described = foreign_files.describe(head, index_missing=index is None)
    are_subtitles = error.code is JobCode.NO_AUDIO and described == foreign_files.TEXT
    if described is None or are_subtitles or error.code is JobCode.ENCRYPTED:
        return error
    return InputError(JobCode.NOT_MEDIA, described)


def _optimize_audio(
    workspace: Workspace,
    recording: _Recording,
    out_dir: Path,
    options: OptimizeOptions,
    limits: WorkLimits,
    progress: _Progress,
) -> _OptimizedAudio:
    decoded, warnings, compensation_db = _decode(workspace, recording, options, limits, progress)
    momentary = _without_partial_blocks(decoded)
    speech_lufs, noise_floor = loudness.integrated_lufs(momentary), loudness.noise_floor(momentary)
    quiet_lufs = loudness.ABSOLUTE_GATE_LUFS
    if speech_lufs is not None:
        quiet_lufs = speech_lufs - sound_settings.QUIET_BELOW_SPEECH_LU
    limit = chunks.chunk_limit(options.max_chunk_seconds)
    ranges = chunks.plan_chunks(decoded.samples, limit, steps.cut_finder(decoded, quiet_lufs))
    if speech_lufs is None:
        warnings = (*warnings, WarningCode.SILENT)
    pcm, applied_db = decoded, 0.0
    output_gain = OutputGain(compensation_db if options.profile is Profile.NONE else 0.0, None)
    enhancement = loudness.decide_enhancement(momentary, options.profile)
    if enhancement is not None:
        on_seconds = progress.between(Step.ENHANCING, 40, _ENHANCED_PERCENT, m.seconds(decoded.samples))
        pcm = steps.enhance(workspace, decoded, enhancement, workspace.scratch / "enhanced.pcm", on_seconds)
        decoded.path.unlink()
        applied_db = enhancement.pre_gain_db
        output_gain = loudness.decide_output_gain(_without_partial_blocks(pcm), applied_db)
    encoded, after, output_gain = _encode(workspace, pcm, ranges, output_gain, applied_db, out_dir, progress)
    return _OptimizedAudio(
        samples=decoded.samples,
        ranges=ranges,
        encoded=encoded,
        before=loudness.summarize(momentary),
        after=after,
        gain_db=applied_db + output_gain.gain_db,
        noise_floor=None if noise_floor is None else round(noise_floor, 2),
        warnings=warnings,
    )


def _without_partial_blocks(pcm: steps.PcmFile) -> "array[float]":
    return pcm.momentary[_PARTIAL_BLOCKS:] or pcm.momentary


def _decode(
    workspace: Workspace, recording: _Recording, options: OptimizeOptions, limits: WorkLimits, progress: _Progress
) -> tuple[steps.PcmFile, tuple[WarningCode, ...], float]:
    """Returns the recording's PCM, warnings, and the gain in dB that compensates silent channels."""
    source_format = recording.format
    on_seconds = progress.between(Step.ANALYZING_LOUDNESS, 10, 40, source_format.declared_seconds)
    progress.report(Step.ANALYZING_LOUDNESS, 10)
    layout = source_format.layout
    path = workspace.scratch / "decoded.pcm"
    limit = _sample_limit(options, limits)

    def decode(mix: Mix) -> tuple[decoding.DecodedRecording, FileClock | None]:
        clock = None
        if source_format.timed:
            clock = FileClock(source_format.begin_seconds, silence_limit(recording.size_bytes))
        source = recording.input
        return decoding.decode(workspace, source, mix, layout, options.profile, clock, limit, path, on_seconds), clock

    mix = default_mix(source_format.channels, layout)
    decoded, clock = decode(mix)
    warnings: list[WarningCode] = []
    correction = check_mix(mix, decoded.levels)
    if correction.mix is not None:
        warnings.append(WarningCode.OPPOSITE_PHASE)
        decoded, clock = decode(correction.mix)
    samples = decoded.pcm.samples
    if samples == 0:
        raise _nothing_decoded(recording, decoded.failed)
    if decoded.repaired:
        warnings.append(WarningCode.INVALID_SAMPLES)
    if clock is not None and clock.discontinuities:
        warnings.append(WarningCode.TIMESTAMP_DISCONTINUITY)
    if recording.has_second:
        warnings.append(WarningCode.SECOND_RECORDING)
    elif _is_truncated(recording, clock, samples):
        warnings.append(WarningCode.INPUT_TRUNCATED)
    progress.seconds = m.seconds(samples)
    progress.report(Step.ENHANCING, 40)
    return decoded.pcm, tuple(warnings), correction.gain_db


def _sample_limit(options: OptimizeOptions, limits: WorkLimits) -> decoding.SampleLimit:
    """Returns the lower one of the limits by time and by scratch space."""
    copies = 1 if options.profile is Profile.NONE else 2
    by_time = limits.max_duration_seconds * m.SAMPLE_RATE
    by_disk = int(limits.max_scratch_bytes / (steps.SAMPLE_BYTES * copies + _MP3_BYTES_PER_SAMPLE))
    if by_time <= by_disk:
        hours = limits.max_duration_seconds / 3600
        too_long = f"The recording is longer than the limit of {hours:g} hours."
        return decoding.SampleLimit(by_time, InputError(JobCode.DURATION_LIMIT, too_long))
    too_large = "The recording needs more scratch space than a worker may use."
    return decoding.SampleLimit(by_disk, InputError(JobCode.DISK_LIMIT, too_large))


def _is_truncated(recording: _Recording, clock: FileClock | None, samples: int) -> bool:
    """Returns whether the file has less sound than it says. A clock with discontinuities can say nothing."""
    source_format = recording.format
    exact, decoded = recording.exact_seconds, m.seconds(samples)
    if clock is not None:
        if clock.discontinuities:
            return False
        decoded = clock.span_seconds
        if source_format.exact_end_seconds is not None:
            exact = source_format.exact_end_seconds - max(0.0, clock.first_seconds)
    return probe.is_truncated(exact, decoded)


def _nothing_decoded(recording: _Recording, failed: bool) -> InputError:
    if recording.encrypted:
        return InputError(JobCode.ENCRYPTED, "The recording is encrypted and cannot be opened.")
    if failed:
        return InputError(JobCode.NOT_MEDIA, "The sound in this file is damaged and cannot be decoded.")
    return InputError(JobCode.EMPTY_INPUT, "The file has an audio stream, but there is no sound in it.")


def _encode(
    workspace: Workspace,
    pcm: steps.PcmFile,
    ranges: Sequence[chunks.ChunkRange],
    output_gain: OutputGain,
    applied_db: float,
    out_dir: Path,
    progress: _Progress,
) -> tuple[list[steps.EncodedChunk], m.Loudness, OutputGain]:
    """Encodes until loudness and true peak of the decoded MP3s are within their limits, mostly once."""
    on_seconds = progress.between(Step.ENHANCING, _ENHANCED_PERCENT, 85, m.seconds(pcm.samples))
    rounds: list[EncodingRound] = []
    while True:
        encoded = steps.encode(workspace, pcm, ranges, output_gain, out_dir, on_seconds)
        measured = _measure(pcm.samples, encoded)
        rounds.append(EncodingRound(output_gain, measured))
        correction = loudness.correct_output_gain(rounds, applied_db)
        if correction is None or len(rounds) == sound_settings.MAX_ROUNDS:
            return encoded, measured, output_gain
        _log.info("encoding again: measured %s, %s becomes %s", measured, output_gain, correction)
        output_gain = correction


def _measure(samples: int, encoded: Sequence[steps.EncodedChunk]) -> m.Loudness:
    peak = max(chunk.true_peak_dbtp for chunk in encoded)
    if samples < 2 * loudness.WINDOW_SAMPLES:  # every block would be padding by half
        return loudness.summarize([], peak)
    momentary: array[float] = array("f")
    for chunk in encoded:
        momentary.extend(chunk.momentary[_PARTIAL_BLOCKS:])
    return loudness.summarize(momentary, peak)


def _describe_chunks(audio: _OptimizedAudio, progress: _Progress) -> tuple[m.ChunkEntry, ...]:
    """Returns the manifest's entries, for which each file is hashed."""
    entries = []
    for index, (part, chunk) in enumerate(zip(audio.ranges, audio.encoded, strict=True)):
        entries.append(
            m.ChunkEntry(
                index=index,
                filename=chunk.path.name,
                size_bytes=chunk.path.stat().st_size,
                sha256=_sha256(chunk.path),
                start_sample=part.start,
                samples=part.samples,
                start_seconds=m.seconds(part.start),
                duration_seconds=m.seconds(part.samples),
                cut=part.cut,
                silent=loudness.is_silent(chunk.momentary),
            )
        )
        progress.report(Step.SPLITTING, 85 + (PUBLISHING_PERCENT - 85) * (index + 1) / len(audio.ranges))
    return tuple(entries)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
