"""Replaces samples that cannot be sound by silence: no numbers, and numbers far above all others. Pure.

Float formats can hold such values, and a single one would stay in the filters for ever, or set the loudness of the
whole recording. They are looked for behind the resampler, which spreads each over a few neighbours, and before any
filter that remembers.
"""

from array import array

PIECE_BYTES = 32_768
"""The longest piece that is looked at: half a second at 16 kHz."""

_SUSPICIOUS_EXPONENT = 6
"""Full scale is 1. Sound may be louder, up to the range of integers that some programs write as floats; from 2**6 on
it is compared with what surrounds it."""

_LARGEST = 2.0**32
_OUTLIER_RATIO = 1024.0
_MAX_OUTLIERS = 0.02
"""An outlier is 60 dB above nine tenths of its surroundings, and outliers are a fiftieth of them at most."""

_SPREAD = 24
"""The resampler's filter reaches 16 samples to both sides."""

_SAMPLE_BYTES = 4
_FLOAT_BIAS = 127
_MANTISSA_BITS = 23
_ONES = int.from_bytes(b"\1\0\0\0" * (PIECE_BYTES // _SAMPLE_BYTES + 2 * _SPREAD), "little")
_EXPONENTS = _ONES * (0xFF << _MANTISSA_BITS)
_TOP_BITS = _ONES << 31
_CARRIES = _ONES * ((256 - _FLOAT_BIAS - _SUSPICIOUS_EXPONENT) << _MANTISSA_BITS)
"""Added to the exponent of a sample, it reaches the sample's top bit if the value is suspicious or no number."""


def is_suspicious(samples: bytes) -> bool:
    """Returns whether one of the 32-bit floats is no number, or 64 or more. It looks at all of them at once."""
    exponents = int.from_bytes(samples, "little") & _EXPONENTS
    return (exponents + _CARRIES) & _TOP_BITS != 0


def find_invalid(samples: "array[float]") -> list[int]:
    """Returns the indexes of samples that cannot be sound."""
    levels = [abs(sample) for sample in samples]
    invalid = [index for index, level in enumerate(levels) if not level < _LARGEST]
    usual = sorted(level for level in levels if level < _LARGEST)
    if not usual:
        return invalid
    limit = max(2.0**_SUSPICIOUS_EXPONENT, usual[len(usual) * 9 // 10] * _OUTLIER_RATIO)
    outliers = [index for index, level in enumerate(levels) if limit < level < _LARGEST]
    if len(outliers) <= len(levels) * _MAX_OUTLIERS:
        invalid += outliers
    return invalid


class SampleRepair:
    """Repairs a stream of 32-bit floats, little-endian, piece by piece."""

    def __init__(self) -> None:
        self.found = False
        """Whether there was anything to replace."""

        self._held = b""
        self._spread_ahead = 0
        """How many of the next samples belong to the spread of an invalid one."""

    def feed(self, piece: bytes) -> bytes:
        """Takes at most PIECE_BYTES, and returns what is ready: the last samples wait for what comes after them."""
        data = self._held + piece
        whole = len(data) // _SAMPLE_BYTES * _SAMPLE_BYTES
        samples = self._repair(data[:whole], len(self._held) // _SAMPLE_BYTES)
        ready = max(0, whole - _SPREAD * _SAMPLE_BYTES)
        self._held = samples[ready:] + data[whole:]
        return samples[:ready]

    def flush(self) -> bytes:
        """Returns the last whole samples of the stream."""
        return self._held[: len(self._held) // _SAMPLE_BYTES * _SAMPLE_BYTES]

    def _repair(self, data: bytes, known: int) -> bytes:
        """Repairs samples of which the first `known` were looked at before."""
        ahead, self._spread_ahead = self._spread_ahead, 0
        invalid = find_invalid(array("f", data)) if is_suspicious(data) else []
        if not ahead and not invalid:
            return data
        self.found = True
        samples = array("f", data)
        count = len(samples)
        for begin, end in [(known, known + ahead), *((at - _SPREAD, at + _SPREAD + 1) for at in invalid)]:
            begin, over = max(0, begin), max(0, end - count)
            samples[begin : end - over] = array("f", bytes(max(0, end - over - begin) * _SAMPLE_BYTES))
            self._spread_ahead = max(self._spread_ahead, over)
        return samples.tobytes()
