"""An examined recording, and how its tracks and channels are decoded. Programs are run in steps.py."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from whisperjob.model import manifest as m
from whisperjob.model.errors import InputError, JobCode, WarningCode
from whisperjob.model.machine_faults import NoSpaceError
from whisperjob.model.phase import Profile, Step
from whisperjob.model.protocol import OptimizeOptions, WorkLimits
from whisperjob.worker.processes.limits import Limits
from whisperjob_optimizer import budget, command, decoding, probe, steps
from whisperjob_optimizer.channel_activity import are_people
from whisperjob_optimizer.downmix import Mix, check_mix, default_mix
from whisperjob_optimizer.file_clock import FileClock, silence_limit
from whisperjob_optimizer.reporting import Progress
from whisperjob_optimizer.tools import Workspace
from whisperjob_optimizer.track_decoding import DecodedTrack
from whisperjob_optimizer.tracks import Track

_MP3_BYTES_PER_SAMPLE = 0.5


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording that was examined: how to open it, its tracks and their formats."""

    input: command.FfmpegInput
    tracks: tuple[Track, ...]
    formats: tuple[probe.SourceFormat | None, ...]
    """One for each track that can be decoded."""

    exact_seconds: tuple[float | None, ...]
    """How long the sound of each track is, where header or container count exactly."""

    size_bytes: int
    encrypted: bool
    has_second: bool
    """Whether another recording is behind this one, which is never read."""

    def format(self, track: Track) -> probe.SourceFormat:
        """Returns the format of a track that can be decoded."""
        found = self.formats[track.index]
        assert found is not None
        return found


@dataclass(frozen=True, slots=True)
class RecordingDecoder:
    """Decodes the tracks of one recording."""

    workspace: Workspace
    recording: Recording
    options: OptimizeOptions
    limits: WorkLimits
    progress: Progress

    def decode(self, track: Track) -> DecodedTrack:
        """Decodes a track, again if its channels cancel each other out or samples were invalid. Raises InputError."""
        found = self.recording.format(track)
        path = self.workspace.scratch / f"decoded-{track.index}.pcm"
        mix = default_mix(found.channels, found.layout)
        decoded, clock = self._decode(track, mix, path)
        warnings: list[WarningCode] = []
        correction = check_mix(mix, decoded.levels)
        repaired = decoded.repaired
        if correction.mix is not None:
            warnings.append(WarningCode.OPPOSITE_PHASE)
        elif are_people(mix, decoded.levels):
            warnings.append(WarningCode.SEPARATE_CHANNELS)
        in_mix = repaired and found.channels > 1  # there, an invalid sample of one channel was one of all
        if correction.mix is not None or in_mix:
            decoded, clock = self._decode(track, correction.mix or mix, path, valid_only=in_mix)
        if decoded.pcm.samples == 0:
            path.unlink()
            raise self._nothing_decoded(decoded.failed)
        if repaired:
            warnings.append(WarningCode.INVALID_SAMPLES)
        if clock is not None and clock.discontinuities:
            warnings.append(WarningCode.TIMESTAMP_DISCONTINUITY)
        if self.recording.has_second:
            warnings.append(WarningCode.SECOND_RECORDING)
        elif self._is_truncated(track, clock, decoded.pcm.samples):
            warnings.append(WarningCode.INPUT_TRUNCATED)
        return DecodedTrack(found, decoded.pcm, tuple(warnings), correction.gain_db, _long_silences(clock))

    def _decode(
        self, track: Track, mix: Mix, path: Path, *, valid_only: bool = False
    ) -> tuple[decoding.DecodedRecording, FileClock | None]:
        found, profile = self.recording.format(track), self.options.profile
        on_seconds = self.progress.between(Step.ANALYZING_LOUDNESS, 10, 40, found.declared_seconds)
        self.progress.report(Step.ANALYZING_LOUDNESS, 10)
        clock = None
        if found.timed:
            clock = FileClock(found.begin_seconds, silence_limit(self.recording.size_bytes))
        source = replace(self.recording.input, track=track.index)
        limit = self._sample_limit()
        program_limits = self._program_limits(found.declared_seconds)
        settings = (mix, found.layout, profile, clock, limit, program_limits, path, on_seconds)
        return decoding.decode(self.workspace, source, *settings, valid_only=valid_only), clock

    def decode_channels(self, indices: Sequence[int]) -> list[DecodedTrack]:
        """Decodes every channel of tracks that were decoded before: the tracks in order, and in each its channels.

        All are as long as the longest one. Raises InputError.
        """
        sounds = [
            self._decode_channel(track, channel)
            for track in self.recording.tracks
            if track.index in indices
            for channel in range(track.channels)
        ]
        samples = max(sound.pcm.samples for sound in sounds)
        return [replace(sound, pcm=steps.lengthen(sound.pcm, samples)) for sound in sounds]

    def _decode_channel(self, track: Track, channel: int) -> DecodedTrack:
        found = self.recording.format(track)
        mix = Mix(tuple(float(index == channel) for index in range(found.channels)))
        path = self.workspace.scratch / f"decoded-{track.index}-{channel}.pcm"
        decoded, clock = self._decode(track, mix, path)
        return DecodedTrack(found, decoded.pcm, long_silences=_long_silences(clock))

    def measure(self, tracks: Sequence[Track]) -> list[float | None]:
        """Estimates the loudness of tracks, in LUFS."""
        lengths = [self.recording.format(track).declared_seconds or 0.0 for track in tracks]
        indices = [track.index for track in tracks]
        seconds = max(lengths) or None
        limits = self._program_limits(seconds)
        return steps.measure_tracks(self.workspace, self.recording.input, indices, seconds, limits)

    def add(self, one: DecodedTrack, gain_db: float, two: DecodedTrack, two_gain_db: float) -> DecodedTrack:
        """Adds up two sounds."""
        path = two.pcm.path.with_suffix(".sum")
        total = steps.add(self.workspace, one.pcm, gain_db, two.pcm, two_gain_db, path)
        self.discard(one)
        self.discard(two)
        return DecodedTrack(one.format, total, tuple(dict.fromkeys((*one.warnings, *two.warnings))))

    def discard(self, decoded: DecodedTrack) -> None:
        """Removes a decoded file."""
        decoded.pcm.path.unlink()

    def _program_limits(self, declared_seconds: float | None) -> Limits:
        return budget.decode_limits(self.recording.size_bytes, declared_seconds, self.limits.max_duration_seconds)

    def _sample_limit(self) -> decoding.SampleLimit:
        """Returns the lowest one of the limits by time, by scratch space, and by what this attempt was given of it."""
        limits = self.limits
        hours = limits.max_duration_seconds / 3600
        too_long = InputError(JobCode.DURATION_LIMIT, f"The recording is longer than the limit of {hours:g} hours.")
        too_large = InputError(JobCode.DISK_LIMIT, "The recording needs more scratch space than a worker may use.")
        found = [
            decoding.SampleLimit(limits.max_duration_seconds * m.SAMPLE_RATE, too_long),
            decoding.SampleLimit(self._samples_in(limits.max_scratch_bytes), too_large),
        ]
        if limits.scratch_bytes is not None:
            share = NoSpaceError("the recording needs more scratch space than this attempt was given")
            found.append(decoding.SampleLimit(self._samples_in(limits.scratch_bytes), share))
        return min(found, key=lambda limit: limit.samples)

    def _samples_in(self, scratch_bytes: int) -> int:
        return int(scratch_bytes / (steps.SAMPLE_BYTES * self._copies() + _MP3_BYTES_PER_SAMPLE))

    def _copies(self) -> int:
        """Returns how many files of PCM exist at a time: enhancing makes a second one, adding tracks a third, and each
        channel that is treated apart has one."""
        if self.options.multichannel:
            return 2 + sum(track.channels for track in self.recording.tracks)
        if len(self.recording.tracks) > 1:
            return 3
        return 1 if self.options.profile is Profile.NONE else 2

    def _is_truncated(self, track: Track, clock: FileClock | None, samples: int) -> bool:
        """Returns whether the file has less sound than it says. A clock with discontinuities can say nothing."""
        found = self.recording.format(track)
        exact, decoded = self.recording.exact_seconds[track.index], m.seconds(samples)
        if clock is not None:
            if clock.discontinuities:
                return False
            decoded = clock.span_seconds
            if found.exact_end_seconds is not None:
                exact = found.exact_end_seconds - max(0.0, clock.first_seconds)
        return probe.is_truncated(exact, decoded)

    def _nothing_decoded(self, failed: bool) -> InputError:
        if self.recording.encrypted:
            return InputError(JobCode.ENCRYPTED, "The recording is encrypted and cannot be opened.")
        if failed:
            return InputError(JobCode.NOT_MEDIA, "The sound in this file is damaged and cannot be decoded.")
        return InputError(JobCode.EMPTY_INPUT, "The file has an audio stream, but there is no sound in it.")


def _long_silences(clock: FileClock | None) -> tuple[tuple[int, int], ...]:
    return () if clock is None else tuple(clock.long_silences)
