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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from whisperjob import __version__
from whisperjob.model import manifest as m
from whisperjob.model.errors import InputError, JobCode, WarningCode
from whisperjob.model.names import chunk_name, safe_extension
from whisperjob.model.phase import Profile, Step
from whisperjob.model.protocol import OptimizeOptions, WorkLimits
from whisperjob.worker.processes.deadline import Deadline
from whisperjob.worker.processes.limits import Resource
from whisperjob.worker.processes.runner import LimitError, ProgramError
from whisperjob_optimizer import (
    budget,
    chunks,
    command,
    file_signatures,
    foreign_files,
    headers,
    loudness,
    probe,
    sound_settings,
    steps,
)
from whisperjob_optimizer.channel_activity import find_activity
from whisperjob_optimizer.loudness import EncodingRound, OutputGain
from whisperjob_optimizer.recording import Recording, RecordingDecoder
from whisperjob_optimizer.reporting import OnProgress, Progress
from whisperjob_optimizer.second_recording import has_second_recording
from whisperjob_optimizer.self_test import BLAMING_CODES, require_working_machine
from whisperjob_optimizer.tools import Tools, Workspace
from whisperjob_optimizer.track_decoding import DecodedTrack, decode_tracks
from whisperjob_optimizer.tracks import AUTO, Track, is_left_out, parse_tracks, select, to_entries

_OF_MIXED_CHANNELS = (WarningCode.OPPOSITE_PHASE, WarningCode.SEPARATE_CHANNELS)
"""Warnings that have no meaning where channels are treated apart."""

_ENHANCED_PERCENT = 52.0
"""The percent, between 40 and 85, at which gate and compressor end and encoding begins; by measured time."""

PUBLISHING_PERCENT = 90.0
"""The percent at which hashing has ended and the caller begins to publish."""

_log = logging.getLogger(__name__)


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
    MachineFaultError and OSError if the machine is, and ProgramError if it is not known.
    """
    size_bytes = source.stat().st_size
    if size_bytes == 0:
        raise InputError(JobCode.EMPTY_INPUT, "The file is empty.")
    with (
        tempfile.TemporaryDirectory(prefix="optimize-", dir=scratch) as folder,
        ThreadPoolExecutor(max_workers=1) as hashing,
    ):
        workspace = Workspace.create(tools, Path(folder).absolute(), Deadline(limits.run_seconds), source.absolute())
        progress = Progress(on_progress)
        digest = hashing.submit(lambda: source_sha256 or _sha256(source))
        try:
            recording = _examine(workspace, source.absolute(), safe_extension(filename), size_bytes, options, progress)
            audio = _optimize_audio(workspace, recording, out_dir.absolute(), options, limits, progress)
        except LimitError as error:
            if error.resource is Resource.CPU:  # only programs that open the recording have this limit
                raise budget.to_verdict(error.resource) from error
            raise
        except (InputError, ProgramError) as error:
            if isinstance(error, ProgramError) or error.code in BLAMING_CODES:
                require_working_machine(workspace)
            raise
        progress.report(Step.SPLITTING, 85)
        entries = _describe_chunks(audio, progress)
        source_format = audio.format
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
            tracks=audio.tracks,
            chunks=entries,
            channel_activity=audio.activity,
            loudness_before=audio.loudest.before,
            loudness_after=audio.loudest.after,
            gain_db=round(audio.loudest.gain_db, 3),
            noise_floor_lufs=audio.loudest.noise_floor,
            warnings=audio.warnings,
            tools=m.ToolVersions(whisperjob=__version__, ffmpeg=source_format.ffmpeg_version),
        )


@dataclass(frozen=True, slots=True)
class _PlannedSound:
    """A decoded sound, of all channels together or of one of them, and its chunks."""

    channel: int | None
    decoded: DecodedTrack
    ranges: list[chunks.ChunkRange]


@dataclass(frozen=True, slots=True)
class _OptimizedSound:
    """The encoded chunks of one sound, and what was measured on the way."""

    channel: int | None
    ranges: list[chunks.ChunkRange]
    encoded: list[steps.EncodedChunk]
    before: m.Loudness
    after: m.Loudness
    gain_db: float
    noise_floor: float | None


@dataclass(frozen=True, slots=True)
class _OptimizedAudio:
    """All sounds of a recording. `format` is that of the (first) track that was used."""

    format: probe.SourceFormat
    tracks: tuple[m.TrackEntry, ...]
    samples: int
    sounds: list[_OptimizedSound]
    activity: m.ChannelActivity | None
    warnings: tuple[WarningCode, ...]

    @property
    def loudest(self) -> _OptimizedSound:
        """The sound that the manifest's levels are of."""
        return max(self.sounds, key=lambda sound: sound.before.integrated_lufs or loudness.ABSOLUTE_GATE_LUFS)


def _examine(
    workspace: Workspace, source: Path, extension: str, size_bytes: int, options: OptimizeOptions, progress: Progress
) -> Recording:
    progress.report(Step.ANALYZING, 5)
    with source.open("rb") as file:
        skipped = 0 if options.raw_format else file_signatures.tags_before(file, size_bytes)
        head = file_signatures.read_at(file, skipped, file_signatures.HEAD_BYTES)
        index = file_signatures.read_mp4_index(file)
        second = has_second_recording(file)
    raw = options.raw_format
    if raw is None and file_signatures.is_playlist(head):
        raise InputError(JobCode.PLAYLIST_REFUSED, "The file is a playlist, not a recording.")
    if raw is None and (archive := foreign_files.describe_archive(head)):
        raise InputError(JobCode.NOT_MEDIA, archive)
    if raw is None and index and file_signatures.mp4_sound_is_encrypted(index):
        raise InputError(JobCode.ENCRYPTED, "The recording is encrypted and cannot be opened.")
    examined = steps.examine(workspace, source, "" if raw else extension, skipped)
    path, output = examined.path, examined.output
    if raw is None and output.score < probe.CONFIDENT_SCORE and foreign_files.is_surely_text(head):
        raise InputError(JobCode.NOT_MEDIA, foreign_files.describe(head, index_missing=False) or foreign_files.TEXT)
    raw, rate = raw or probe.identify_telephone_format(output), options.sample_rate
    if raw is not None and options.raw_format is None:
        rate = rate or probe.TELEPHONE_RATE
    if raw is not None:
        source_format = probe.describe_headerless(raw, rate, options.channels, size_bytes, output.version)
        opened = command.FfmpegInput(path.name, raw, source_format.sample_rate, source_format.channels)
        tracks: tuple[Track, ...] = (Track(0, source_format.codec, source_format.channels, decodable=True),)
        formats: tuple[probe.SourceFormat | None, ...] = (source_format,)
    else:
        tracks = parse_tracks(output.streams)
        try:
            if not any(track.decodable for track in tracks):
                probe.identify(output, head)
            formats = tuple(probe.identify(output, head, t.index) if t.decodable else None for t in tracks)
        except InputError as error:
            raise _explain(error, head, index) from error
        opened = command.FfmpegInput(path.name, probe_bytes=examined.probe_bytes, skipped_bytes=skipped)
    progress.seconds = next((found.declared_seconds for found in formats if found), None)
    progress.report(Step.ANALYZING, 10)
    encrypted = file_signatures.looks_encrypted(head)
    exact = tuple(None if raw or not found else headers.exact_seconds(head, found.exact_seconds) for found in formats)
    return Recording(opened, tracks, formats, exact, size_bytes, encrypted, second and raw is None)


def _explain(error: InputError, head: bytes, index: bytes | None) -> InputError:
    """Returns the verdict in words that say what the file is, where it is recognised."""
    described = foreign_files.describe(head, index_missing=index is None)
    are_subtitles = error.code is JobCode.NO_AUDIO and described == foreign_files.TEXT
    if described is None or are_subtitles or error.code is JobCode.ENCRYPTED:
        return error
    return InputError(JobCode.NOT_MEDIA, described)


def _optimize_audio(
    workspace: Workspace,
    recording: Recording,
    out_dir: Path,
    options: OptimizeOptions,
    limits: WorkLimits,
    progress: Progress,
) -> _OptimizedAudio:
    decoder = RecordingDecoder(workspace, recording, options, limits, progress)
    found = decode_tracks(select(recording.tracks, options.track, options.language), decoder)
    tracks = to_entries(recording.tracks, found.used, found.unusable)
    warnings = found.sound.warnings
    if is_left_out(tracks) and (options.track in (None, AUTO) or found.sound.silent):
        warnings = (*warnings, WarningCode.TRACKS_LEFT_OUT)
    if found.sound.silent:
        warnings = (*warnings, WarningCode.SILENT)
    decoded: list[tuple[int | None, DecodedTrack]] = [(None, found.sound)]
    activity = None
    if options.multichannel:
        decoder.discard(found.sound)
        apart = decoder.decode_channels(found.used)
        activity = find_activity([sound.pcm.momentary for sound in apart], m.seconds(apart[0].pcm.samples))
        sounding = [channel for channel, sound in enumerate(apart) if not sound.silent] or [0]
        decoded = [(channel, apart[channel]) for channel in sounding]
        warnings = tuple(code for code in warnings if code not in _OF_MIXED_CHANNELS)
    samples = decoded[0][1].pcm.samples
    progress.seconds = m.seconds(samples)
    progress.report(Step.ENHANCING, 40)
    limit = chunks.chunk_limit(options.max_chunk_seconds)
    planned = [_PlannedSound(channel, sound, _plan_chunks(sound, limit)) for channel, sound in decoded]
    total = sum(len(sound.ranges) for sound in planned)
    files = iter([out_dir / chunk_name(index, total) for index in range(total)])
    sounds = [
        _optimize_sound(workspace, sound, [next(files) for _ in sound.ranges], options.profile, progress)
        for sound in planned
    ]
    return _OptimizedAudio(found.sound.format, tracks, samples, sounds, activity, warnings)


def _plan_chunks(sound: DecodedTrack, limit: int) -> list[chunks.ChunkRange]:
    speech_lufs = loudness.integrated_lufs(sound.momentary)
    quiet_lufs = loudness.ABSOLUTE_GATE_LUFS
    if speech_lufs is not None:
        quiet_lufs = speech_lufs - sound_settings.QUIET_BELOW_SPEECH_LU
    return chunks.plan_chunks(sound.pcm.samples, limit, steps.cut_finder(sound.pcm, quiet_lufs), sound.long_silences)


def _optimize_sound(
    workspace: Workspace, sound: _PlannedSound, files: list[Path], profile: Profile, progress: Progress
) -> _OptimizedSound:
    decoded, momentary = sound.decoded.pcm, sound.decoded.momentary
    noise_floor = loudness.noise_floor(momentary)
    pcm, applied_db = decoded, 0.0
    output_gain = OutputGain(sound.decoded.compensation_db if profile is Profile.NONE else 0.0, None)
    enhancement = loudness.decide_enhancement(momentary, profile)
    if enhancement is not None:
        on_seconds = progress.between(Step.ENHANCING, 40, _ENHANCED_PERCENT, m.seconds(decoded.samples))
        pcm = steps.enhance(workspace, decoded, enhancement, workspace.scratch / "enhanced.pcm", on_seconds)
        decoded.path.unlink()
        applied_db = enhancement.pre_gain_db
        output_gain = loudness.decide_output_gain(pcm.momentary[loudness.PARTIAL_BLOCKS :] or pcm.momentary, applied_db)
    encoded, after, output_gain = _encode(workspace, pcm, sound.ranges, output_gain, applied_db, files, progress)
    pcm.path.unlink()
    return _OptimizedSound(
        channel=sound.channel,
        ranges=sound.ranges,
        encoded=encoded,
        before=loudness.summarize(momentary),
        after=after,
        gain_db=applied_db + output_gain.gain_db,
        noise_floor=None if noise_floor is None else round(noise_floor, 2),
    )


def _encode(
    workspace: Workspace,
    pcm: steps.PcmFile,
    ranges: Sequence[chunks.ChunkRange],
    output_gain: OutputGain,
    applied_db: float,
    files: Sequence[Path],
    progress: Progress,
) -> tuple[list[steps.EncodedChunk], m.Loudness, OutputGain]:
    """Encodes until loudness and true peak of the decoded MP3s are within their limits, mostly once."""
    on_seconds = progress.between(Step.ENHANCING, _ENHANCED_PERCENT, 85, m.seconds(pcm.samples))
    rounds: list[EncodingRound] = []
    while True:
        encoded = steps.encode(workspace, pcm, ranges, output_gain, files, on_seconds)
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
        momentary.extend(chunk.momentary[loudness.PARTIAL_BLOCKS :])
    return loudness.summarize(momentary, peak)


def _describe_chunks(audio: _OptimizedAudio, progress: Progress) -> tuple[m.ChunkEntry, ...]:
    """Returns the manifest's entries, for which each file is hashed."""
    entries: list[m.ChunkEntry] = []
    all_chunks = [
        (sound.channel, *pair) for sound in audio.sounds for pair in zip(sound.ranges, sound.encoded, strict=True)
    ]
    for index, (channel, part, chunk) in enumerate(all_chunks):
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
                channel=channel,
            )
        )
        progress.report(Step.SPLITTING, 85 + (PUBLISHING_PERCENT - 85) * (index + 1) / len(all_chunks))
    return tuple(entries)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
