"""Parsers of what ffmpeg prints for programs: `-progress` reports and the `ametadata` filter's values. Pure."""

import math
from array import array
from collections.abc import Iterable


def parse_progress(line: str) -> float | None:
    """Returns the seconds of output that ffmpeg has made, by a line of a `-progress` report; None for other lines."""
    key, _, value = line.strip().partition("=")
    if key != "out_time_us" or not value.lstrip("-").isdigit():
        return None
    return max(0, int(value)) / 1e6


def parse_metadata(line: str) -> tuple[str, float] | None:
    """Returns (key, value) of a line of `ametadata=mode=print`; None for frame headers and for values that are no
    numbers."""
    key, equals, value = line.partition("=")
    if not equals:
        return None
    try:
        return key, float(value)
    except ValueError:
        return None


def read_values(lines: Iterable[str], into: "array[float]", offset: float = 0.0) -> None:
    """Appends every value of a single key, less `offset`, as it comes: 4 bytes each, a day at 10 Hz is 3.5 MB.

    In digital silence `ebur128` prints no number: its sliding sum may be a little below zero.
    """
    for line in lines:
        if (parsed := parse_metadata(line)) is not None:
            into.append(-math.inf if math.isnan(parsed[1]) else parsed[1] - offset)


def read_rows(lines: Iterable[str], into: list[dict[str, float]]) -> None:
    """Appends one row of values per frame."""
    for line in lines:
        if line.startswith("frame:"):
            into.append({})
        elif into and (parsed := parse_metadata(line)) is not None:
            into[-1][parsed[0]] = parsed[1]
