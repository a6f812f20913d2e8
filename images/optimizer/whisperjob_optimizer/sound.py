"""Every number that shapes the sound, with its reason. Strong settings hurt recognisers (docs/explanation/pipeline.md),
so all of these are gentle, and all levels are relative to what was measured in the recording.

LUFS and dB throughout; times in milliseconds as ffmpeg takes them.
"""

from typing import Final

TARGET_LUFS: Final = -16.0
"""Speech as podcasts have it; loud enough that no recogniser meets its own noise floor."""

TRUE_PEAK_DBTP: Final = -1.0
"""The promise for the decoded MP3."""

LIMITER_CEILING_DBFS: Final = -2.3
"""What the limiters hold. Between samples and in MP3 coding speech overshoots by up to 1 dB (measured; an hour of it
once). What exceeds the promise all the same (noise, clicks) is encoded again with a lower ceiling, limited at four
times the rate: dearer, and rarely needed."""

LIMITER_RATE: Final = 32_000
"""Of the first limiter, which does most of the work. At 16 kHz it left peaks of 1 to 3 dB between the samples, at
64 kHz nothing more was won on speech."""

LIMITER_OVERSAMPLED_RATE: Final = 64_000
LIMITER_ATTACK_MS: Final = 5
LIMITER_RELEASE_MS: Final = 15
"""Back at once: held longer, what follows a peak is made softer too, and a diarizer hears a voice less like itself
(docs/explanation/diarization.md)."""

LAME_LOSS_DB: Final = 0.4455
"""LAME scales what it encodes at low sample rates by 0.95; given back behind the limiter."""

LOUDNESS_TOLERANCE_LU: Final = 0.7
"""A result further off than this is encoded again with a corrected gain (limiting had made it quieter)."""

LIMITED_YIELD: Final = 0.7
"""LU won by a dB of gain where the limiter works hard: the first guess, replaced by what the next trial shows."""

MAX_ROUNDS: Final = 4
"""Encodes of the same chunk at most. Speech takes one; the rest is for extreme material (shouts into a whisper,
clicks, square waves)."""

MAX_GAIN_DB: Final = 50.0
"""−66 LUFS is quieter than any speech worth recognising; above this only hiss would be raised."""

HIGHPASS_HZ: Final = 70
LOWPASS_HZ: Final = 7_500
"""Rumble and hum below speech go (they eat the headroom of gain and limiter); above, only what resampling leaves at
the band's edge. Second-order: no ringing, phase all but untouched where speech lives."""

WORKING_LUFS: Final = -23.0
"""The recording is brought here before gate and compressor, so that their thresholds are constants and within what
the filters accept."""

GATE_MIN_DISTANCE_LU: Final = 15.0
"""Speech must stand so far above the noise floor for the gate to act: nearer, it could not tell them apart."""

GATE_ABOVE_FLOOR_LU: Final = 6.0
GATE_BELOW_SPEECH_LU: Final = 18.0
"""The threshold: a little above the floor, but always far below speech, so that soft endings pass."""

GATE_MIN_THRESHOLD_DBFS: Final = -75.0
"""Below this there is nothing a gate could improve."""

GATE_RANGE_DB: Final = -9.0
"""The most it takes away: noise is lowered, never cut to silence, which recognisers fill with invented words."""

GATE_RATIO: Final = 1.5
GATE_ATTACK_MS: Final = 5
GATE_RELEASE_MS: Final = 250

COMPRESSOR_ABOVE_SPEECH_LU: Final = 6.0
COMPRESSOR_RATIO: Final = 1.5
COMPRESSOR_ATTACK_MS: Final = 20
COMPRESSOR_RELEASE_MS: Final = 250
COMPRESSOR_KNEE_RATIO: Final = 2.8
"""Only what is well above the average speaker is held back, softly and slowly: consonants keep their attack. At a ratio
of 2 from 3 LU a diarizer took a short turn of one voice for the other's (docs/explanation/diarization.md)."""

COMPRESSOR_RIDES_LU: Final = 8.0
"""What the compressor hears lies so far above momentary loudness: it follows syllables, not 400 ms (measured on eight
voices: 6.5 to 8.5). Only the expected loudness is computed with it."""

QUIET_BELOW_SPEECH_LU: Final = 8.0
"""A cut is quiet where 400 ms are so far below the speech level, else it is forced."""

MAX_CANCELLATION_DB: Final = 9.0
"""A mono mix so far below the loudest channel has lost its sound to opposite phase. Two equal unrelated channels lose
3 dB, sound in one of two channels 6 dB."""

MP3_COMPRESSION_LEVEL: Final = 7
"""LAME's quality switch. Above 6 it shapes no noise: 40 % less time than ffmpeg's default of 5, and on speech a higher
signal-to-noise ratio (30.0 against 28.2 dB), which is what a recogniser hears."""
