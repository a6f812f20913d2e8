"""Every number that shapes the sound, with its reason. Strong settings make recognisers worse
(docs/explanation/pipeline.md), so all of these are gentle, and all levels are relative to what was measured in the
recording.

LUFS and dB throughout; times in milliseconds as ffmpeg takes them.
"""

from typing import Final

TARGET_LUFS: Final = -16.0
"""The level of podcasts; loud enough that no recogniser reaches its own noise floor."""

TRUE_PEAK_DBTP: Final = -1.0
"""The limit for the decoded MP3."""

LIMITER_CEILING_DBFS: Final = -2.3
"""The ceiling of the limiters. Between samples and by MP3 coding, speech overshoots by up to 1 dB (measured; once in an
hour of it). If the true peak is above its limit all the same (noise, clicks), the chunks are encoded again with a lower
ceiling, limited at four times the rate, which takes more time and is rarely needed."""

LIMITER_RATE: Final = 32_000
"""The rate of the first limiter, which does most of the work. At 16 kHz it left peaks of 1 to 3 dB between the samples;
64 kHz brought no further improvement on speech."""

LIMITER_OVERSAMPLED_RATE: Final = 64_000
LIMITER_ATTACK_MS: Final = 5
LIMITER_RELEASE_MS: Final = 15
"""A short release: with a longer one, the sound after a peak becomes softer, too, and a diarizer finds a voice less
like itself (docs/explanation/diarization.md)."""

LAME_LOSS_DB: Final = 0.4455
"""LAME scales what it encodes at low sample rates by 0.95; this is compensated behind the limiter."""

LOUDNESS_TOLERANCE_LU: Final = 0.7
"""With a larger deviation, a result is encoded again with a corrected gain (limiting had made it quieter)."""

LIMITED_GAIN_EFFECT: Final = 0.7
"""LU per dB of gain where the limiter works hard: a first estimate, replaced by what the next round shows."""

MAX_ROUNDS: Final = 4
"""The most often that a chunk is encoded. Speech takes one round; the others are for extreme material (shouts into a
whisper, clicks, square waves)."""

MAX_GAIN_DB: Final = 50.0
"""−66 LUFS is quieter than any speech that can be recognised; more gain would only raise hiss."""

HIGHPASS_HZ: Final = 70
LOWPASS_HZ: Final = 7_500
"""They remove rumble and hum below speech, which take headroom from gain and limiter, and above it only what resampling
leaves at the edge of the band. Second order: no ringing, and hardly any change of phase in the range of speech."""

WORKING_LUFS: Final = -23.0
"""The level before gate and compressor, so that their thresholds are constants and within what the filters accept."""

GATE_MIN_DISTANCE_LU: Final = 15.0
"""The gate is used only if speech is this far above the noise floor: nearer, it could not distinguish them."""

GATE_ABOVE_FLOOR_LU: Final = 6.0
GATE_BELOW_SPEECH_LU: Final = 18.0
"""The threshold: a little above the floor, but always far below speech, so that soft endings pass."""

GATE_MIN_THRESHOLD_DBFS: Final = -75.0
"""Below this a gate could not improve anything."""

GATE_RANGE_DB: Final = -9.0
"""The largest attenuation: noise is lowered, never cut to silence, which recognisers fill with invented words."""

GATE_RATIO: Final = 1.5
GATE_ATTACK_MS: Final = 5
GATE_RELEASE_MS: Final = 250

COMPRESSOR_ABOVE_SPEECH_LU: Final = 6.0
COMPRESSOR_RATIO: Final = 1.5
COMPRESSOR_ATTACK_MS: Final = 20
COMPRESSOR_RELEASE_MS: Final = 250
COMPRESSOR_KNEE_RATIO: Final = 2.8
"""Only sound well above the average speaker is compressed, softly and slowly: consonants keep their attack. At a ratio
of 2 from 3 LU a diarizer assigned a short turn of one voice to the other (docs/explanation/diarization.md)."""

COMPRESSOR_RIDES_LU: Final = 8.0
"""The level in the compressor is this far above momentary loudness: it follows syllables, not 400 ms (measured on eight
voices: 6.5 to 8.5). It is only used to compute the expected loudness."""

QUIET_BELOW_SPEECH_LU: Final = 8.0
"""A cut is quiet if its 400 ms are this far below the speech level, otherwise it is forced."""

MAX_CANCELLATION_DB: Final = 9.0
"""A mono mix this far below the loudest channel has lost its sound by opposite phase. Two equal unrelated channels lose
3 dB, sound in one of two channels 6 dB."""

MP3_COMPRESSION_LEVEL: Final = 7
"""LAME's quality switch. Above 6 it shapes no noise: 40 % less time than ffmpeg's default of 5, and on speech a higher
signal-to-noise ratio (30.0 against 28.2 dB), which matters to a recogniser."""
