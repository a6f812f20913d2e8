"""Parsers of what ffmpeg prints for machines: `-progress` reports and the `ametadata` filter's values. Pure."""

from array import array
from collections.abc import Iterable


def progress_seconds(line: str) -> float | None:
    """How much output ffmpeg has made by this line of a `-progress` report; None for all other lines."""
    key, _, value = line.strip().partition("=")
    if key != "out_time_us" or not value.lstrip("-").isdigit():
        return None
    return max(0, int(value)) / 1e6


def metadata_value(line: str) -> tuple[str, float] | None:
    """(key, value) of a line of `ametadata=mode=print`; None for its frame headers and for what is no number."""
    key, equals, value = line.partition("=")
    if not equals:
        return None
    try:
        return key, float(value)
    except ValueError:
        return None


def read_track(lines: Iterable[str], into: "array[float]", too_high: float = 0.0) -> None:
    """Appends every value of a single key as it comes: 4 bytes each, a day at 10 Hz is 3.5 MB."""
    for line in lines:
        if (found := metadata_value(line)) is not None:
            into.append(found[1] - too_high)


def read_rows(lines: Iterable[str], into: list[dict[str, float]]) -> None:
    """Appends one row of values per frame."""
    for line in lines:
        if line.startswith("frame:"):
            into.append({})
        elif into and (found := metadata_value(line)) is not None:
            into[-1][found[0]] = found[1]
