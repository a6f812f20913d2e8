"""Formats a timeline as `whisperjob local diarize` prints it: as text, as JSON or as RTTM. Pure."""

from pathlib import Path

from whisperjob.model.timeline import Timeline, to_rttm
from whisperjob_api.diarization_views import to_result
from whisperjob_cli.options import TimelineFormat
from whisperjob_cli.tables import describe_speakers
from whisperjob_client import DiarizationResult


def format_timeline(timeline: Timeline, format_: TimelineFormat, file: Path) -> str:
    """Returns lines of text, the `result` of GET /diarize as JSON, or RTTM, which names the recording by its file."""
    if format_ == "rttm":
        return to_rttm("_".join(file.stem.split()) or "recording", timeline)
    result = to_result(timeline)
    if format_ == "json":
        return result.model_dump_json(by_alias=True, indent=2) + "\n"
    return describe_speakers(DiarizationResult.model_validate(result.model_dump(by_alias=True)))
