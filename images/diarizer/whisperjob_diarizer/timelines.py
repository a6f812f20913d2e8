"""From a model's answer to the timeline that is published: numbered speakers, times inside the recording."""

from collections.abc import Iterable, Sequence

from whisperjob.model.resource import MAX_NOTE_LENGTH
from whisperjob.model.timeline import Timeline, Turn
from whisperjob_diarizer.port import Diarization, SpeakerSpan

_DECIMALS = 3


def build_timeline(
    diarization: Diarization, duration_seconds: float, *, model: str, device: str, notes: Sequence[str]
) -> Timeline:
    """Builds the timeline of a recording that lasts `duration_seconds`. Speakers are numbered by first appearance."""
    spans = _sort(diarization.spans, duration_seconds)
    exclusive = _separate(_sort(diarization.exclusive, duration_seconds))
    speaker_ids = {label: f"SPEAKER_{n:02d}" for n, label in enumerate(dict.fromkeys(span.label for span in spans))}
    return Timeline(
        model=model,
        device=device,
        duration_seconds=duration_seconds,
        segments=_to_turns(spans, speaker_ids),
        exclusive=_to_turns((span for span in exclusive if span.label in speaker_ids), speaker_ids),
        notes=tuple(dict.fromkeys(note[:MAX_NOTE_LENGTH] for note in notes if note)),
    )


def _sort(spans: Iterable[SpeakerSpan], duration_seconds: float) -> list[SpeakerSpan]:
    """Returns the spans in order, to the millisecond, cut to the recording: a model's last window reaches past its end,
    the turns must not."""
    rounded = (
        SpeakerSpan(
            max(0.0, round(span.start, _DECIMALS)), min(round(span.end, _DECIMALS), duration_seconds), span.label
        )
        for span in spans
    )
    return sorted((span for span in rounded if span.end > span.start), key=lambda s: (s.start, s.end, s.label))


def _separate(spans: Iterable[SpeakerSpan]) -> list[SpeakerSpan]:
    """Returns sorted spans without overlaps: each begins no earlier than the one before it ends."""
    separate: list[SpeakerSpan] = []
    for span in spans:
        start = max(span.start, separate[-1].end) if separate else span.start
        if span.end > start:
            separate.append(SpeakerSpan(start, span.end, span.label))
    return separate


def _to_turns(spans: Iterable[SpeakerSpan], speaker_ids: dict[str, str]) -> tuple[Turn, ...]:
    return tuple(Turn(start=span.start, end=span.end, speaker=speaker_ids[span.label]) for span in spans)
