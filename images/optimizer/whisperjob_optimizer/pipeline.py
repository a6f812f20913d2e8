"""The optimizer's work, from a recording to MP3s and their manifest. docs/explanation/pipeline.md explains the stages.

    analyzing            probe
    analyzing_loudness   decode once → mono 16 kHz PCM; loudness, noise floor and channels measured on the way
    enhancing            gate and compressor (profile full), then gain, limiter and MP3 per chunk, heard as decoded
    splitting            hash, manifest

Decisions are made in loudness.py, chunks.py, downmix.py and probe.py, programs run in stages.py; this is the order.
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
from whisperjob_optimizer import chunks, command, headers, loudness, probe, sniff, sound, stages
from whisperjob_optimizer.downmix import default_mix, judge
from whisperjob_optimizer.loudness import Finish, Trial
from whisperjob_optimizer.tools import Tools, Workspace

OnProgress = Callable[[Step, float, float | None], None]
"""Called, from any thread, with a step, the percent of the whole job and, if known, the recording's seconds."""

_ENHANCED_PERCENT = 52.0
"""Where, between 40 and 85, gate and compressor end and encoding begins; by measured time."""

PUBLISHING_PERCENT = 90.0
"""Where hashing has ended and whoever called goes on to publish."""

_MP3_BYTES_PER_SAMPLE = 0.5
_STEADY_BLOCKS = 3
"""The first values of a track look back on less than 400 ms."""

_log = logging.getLogger(__name__)


class _Progress:
    """Keeps reports inside their step's range, never going back."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._highest = 0.0
        self.seconds: float | None = None

    def at(self, step: Step, percent: float) -> None:
        low, high = STEP_PROGRESS[step]
        self._highest = max(self._highest, min(max(percent, low), high))
        self._on_progress(step, self._highest, self.seconds)

    def between(self, step: Step, low: float, high: float, total_seconds: float | None) -> stages.OnSeconds:
        """Turns seconds done of `total_seconds` into a percent between `low` and `high`."""

        def done(seconds: float) -> None:
            if total_seconds:
                self.at(step, low + (high - low) * min(1.0, seconds / total_seconds))

        return done


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

    Both folders exist; `scratch` is left as it was found, whatever happens. Raises InputError for what is the
    recording's fault, ProgramError and OSError for everything else.
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
        made = _make(workspace, recording, out_dir.absolute(), options, limits, progress)
        progress.at(Step.SPLITTING, 85)
        entries = _entries(made, progress)
        info = recording.probe
        return m.Manifest(
            profile=options.profile,
            samples=made.samples,
            duration_seconds=m.seconds(made.samples),
            source=m.SourceInfo(
                size_bytes=size_bytes,
                sha256=digest.result(),
                container=info.container,
                codec=info.codec,
                sample_rate=info.sample_rate,
                channels=info.channels,
                declared_seconds=info.declared_seconds,
            ),
            chunks=entries,
            loudness_before=made.before,
            loudness_after=made.after,
            gain_db=round(made.gain_db, 3),
            noise_floor_lufs=made.noise_floor,
            warnings=made.warnings,
            tools=m.ToolVersions(whisperjob=__version__, ffmpeg=info.ffmpeg_version),
        )


@dataclass(frozen=True, slots=True)
class _Recording:
    input: command.Input
    probe: probe.Probe
    promised_seconds: float | None
    encrypted: bool


@dataclass(frozen=True, slots=True)
class _Made:
    samples: int
    pieces: list[chunks.Piece]
    encoded: list[stages.Encoded]
    before: m.Loudness
    after: m.Loudness
    gain_db: float
    noise_floor: float | None
    warnings: tuple[str, ...]


def _examine(
    workspace: Workspace, source: Path, extension: str, size_bytes: int, options: OptimizeOptions, progress: _Progress
) -> _Recording:
    progress.at(Step.ANALYZING, 5)
    with source.open("rb") as file:
        head = file.read(sniff.HEAD_BYTES)
        index = sniff.read_mp4_index(file)
    raw = options.raw_format
    if raw is None and sniff.is_playlist(head):
        raise InputError(JobCode.PLAYLIST_REFUSED, "The file is a playlist, not a recording.")
    if raw is None and sniff.mp4_sound_is_encrypted(index):
        raise InputError(JobCode.ENCRYPTED, "The recording is encrypted and cannot be opened.")
    path, report = stages.examine(workspace, source, "" if raw else extension)
    raw, rate = raw or probe.telephone_format(report), options.sample_rate
    if raw is not None and options.raw_format is None:
        rate = rate or probe.TELEPHONE_RATE
    if raw is not None:
        found = probe.headerless(raw, rate, options.channels, size_bytes, report.version)
        opened = command.Input(path.name, raw, found.sample_rate, found.channels)
    else:
        found = probe.understand(report, head)
        late = round(found.late_by_seconds * m.SAMPLE_RATE)
        opened = command.Input(path.name, timed=found.timed, late_by_samples=late)
    progress.seconds = found.declared_seconds
    progress.at(Step.ANALYZING, 10)
    promised = None if raw else headers.promised_seconds(head)
    return _Recording(opened, found, promised, sniff.looks_encrypted(head))


def _make(
    workspace: Workspace,
    recording: _Recording,
    out_dir: Path,
    options: OptimizeOptions,
    limits: WorkLimits,
    progress: _Progress,
) -> _Made:
    decoded, warnings, made_up_db = _decode(workspace, recording, options, limits, progress)
    track = _steady(decoded)
    speech, floor = loudness.integrated_lufs(track), loudness.noise_floor(track)
    quiet = loudness.ABSOLUTE_GATE_LUFS if speech is None else speech - sound.QUIET_BELOW_SPEECH_LU
    limit = chunks.chunk_limit(options.max_chunk_seconds)
    pieces = chunks.plan(decoded.samples, limit, stages.quietest_moment(decoded, quiet))
    if speech is None:
        warnings = (*warnings, WarningCode.SILENT)
    pcm, applied, finish = decoded, 0.0, Finish(made_up_db if options.profile is Profile.NONE else 0.0, None)
    enhancement = loudness.decide_enhancement(track, options.profile)
    if enhancement is not None:
        work = progress.between(Step.ENHANCING, 40, _ENHANCED_PERCENT, m.seconds(decoded.samples))
        pcm = stages.enhance(workspace, decoded, enhancement, workspace.scratch / "enhanced.pcm", work)
        decoded.path.unlink()
        applied = enhancement.pre_gain_db
        finish = loudness.decide_finish(_steady(pcm), applied)
    encoded, after, finish = _encode(workspace, pcm, pieces, finish, applied, out_dir, progress)
    return _Made(
        samples=decoded.samples,
        pieces=pieces,
        encoded=encoded,
        before=loudness.summary(track),
        after=after,
        gain_db=applied + finish.gain_db,
        noise_floor=None if floor is None else round(floor, 2),
        warnings=warnings,
    )


def _steady(pcm: stages.Pcm) -> "array[float]":
    return pcm.track[_STEADY_BLOCKS:] or pcm.track


def _decode(
    workspace: Workspace, recording: _Recording, options: OptimizeOptions, limits: WorkLimits, progress: _Progress
) -> tuple[stages.Pcm, tuple[str, ...], float]:
    """The recording's PCM, warnings, and the gain that makes up for silent channels."""
    found = recording.probe
    copies = 1 if options.profile is Profile.NONE else 2
    by_time = limits.max_duration_seconds * m.SAMPLE_RATE
    by_disk = int(limits.max_scratch_bytes / (stages.SAMPLE_BYTES * copies + _MP3_BYTES_PER_SAMPLE))
    work = progress.between(Step.ANALYZING_LOUDNESS, 10, 40, found.declared_seconds)
    progress.at(Step.ANALYZING_LOUDNESS, 10)
    mix = default_mix(found.channels, found.layout)
    path = workspace.scratch / "decoded.pcm"
    bound = min(by_time, by_disk)
    decoded = stages.decode(workspace, recording.input, mix, found.layout, options.profile, bound, path, work)
    warnings: tuple[str, ...] = ()
    verdict = judge(mix, decoded.rows)
    if verdict.mix is not None:
        warnings = (WarningCode.OPPOSITE_PHASE,)
        decoded = stages.decode(
            workspace, recording.input, verdict.mix, found.layout, options.profile, bound, path, work
        )
    samples = decoded.pcm.samples
    if samples == 0:
        raise _nothing_decoded(recording, decoded.failed)
    if samples > by_time:
        hours = limits.max_duration_seconds / 3600
        raise InputError(JobCode.DURATION_LIMIT, f"The recording is longer than the limit of {hours:g} hours.")
    if samples > by_disk:
        raise InputError(JobCode.DISK_LIMIT, "The recording needs more scratch space than a worker may use.")
    if probe.is_truncated(found, recording.promised_seconds, m.seconds(samples)):
        warnings = (*warnings, WarningCode.INPUT_TRUNCATED)
    progress.seconds = m.seconds(samples)
    progress.at(Step.ENHANCING, 40)
    return decoded.pcm, warnings, verdict.gain_db


def _nothing_decoded(recording: _Recording, failed: bool) -> InputError:
    if recording.encrypted:
        return InputError(JobCode.ENCRYPTED, "The recording is encrypted and cannot be opened.")
    if failed:
        return InputError(JobCode.NOT_MEDIA, "The sound in this file is damaged and cannot be decoded.")
    return InputError(JobCode.EMPTY_INPUT, "The file has an audio stream, but there is no sound in it.")


def _encode(
    workspace: Workspace,
    pcm: stages.Pcm,
    pieces: Sequence[chunks.Piece],
    finish: Finish,
    applied_db: float,
    out_dir: Path,
    progress: _Progress,
) -> tuple[list[stages.Encoded], m.Loudness, Finish]:
    """Encodes until what is heard on the decoded MP3s holds loudness and true peak, mostly once."""
    work = progress.between(Step.ENHANCING, _ENHANCED_PERCENT, 85, m.seconds(pcm.samples))
    trials: list[Trial] = []
    while True:
        encoded = stages.encode(workspace, pcm, pieces, finish, out_dir, work)
        heard = _hear(pcm.samples, encoded)
        trials.append(Trial(finish, heard))
        correction = loudness.correct_finish(trials, applied_db)
        if correction is None or len(trials) == sound.MAX_ROUNDS:
            return encoded, heard, finish
        _log.info("encoding again: %s heard, %s becomes %s", heard, finish, correction)
        finish = correction


def _hear(samples: int, encoded: Sequence[stages.Encoded]) -> m.Loudness:
    peak = max(chunk.true_peak_dbtp for chunk in encoded)
    if samples < 2 * loudness.WINDOW_SAMPLES:  # no block that is not half padding
        return loudness.summary([], peak)
    track: array[float] = array("f")
    for chunk in encoded:
        track.extend(chunk.track[_STEADY_BLOCKS:])
    return loudness.summary(track, peak)


def _entries(made: _Made, progress: _Progress) -> tuple[m.ChunkEntry, ...]:
    entries = []
    for index, (piece, chunk) in enumerate(zip(made.pieces, made.encoded, strict=True)):
        entries.append(
            m.ChunkEntry(
                index=index,
                filename=chunk.path.name,
                size_bytes=chunk.path.stat().st_size,
                sha256=_sha256(chunk.path),
                start_sample=piece.start,
                samples=piece.samples,
                start_seconds=m.seconds(piece.start),
                duration_seconds=m.seconds(piece.samples),
                cut=piece.cut,
            )
        )
        progress.at(Step.SPLITTING, 85 + (PUBLISHING_PERCENT - 85) * (index + 1) / len(made.pieces))
    return tuple(entries)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
