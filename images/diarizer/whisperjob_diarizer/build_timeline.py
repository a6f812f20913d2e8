"""From what a model found to the timeline that is published: numbered speakers, times inside the recording."""

from collections.abc import Iterable, Sequence

from whisperjob.model.resource import MAX_NOTE_LENGTH
from whisperjob.model.timeline import Timeline, Turn
from whisperjob_diarizer.diarizer import Found, Span

_DECIMALS = 3


def build_timeline(found: Found, duration_seconds: float, *, model: str, device: str, notes: Sequence[str]) -> Timeline:
    spans = _tidied(found.spans, duration_seconds)
    exclusive = _apart(_tidied(found.exclusive, duration_seconds))
    numbers = {label: f"SPEAKER_{n:02d}" for n, label in enumerate(dict.fromkeys(span.label for span in spans))}
    return Timeline(
        model=model,
        device=device,
        duration_seconds=duration_seconds,
        segments=_turns(spans, numbers),
        exclusive=_turns((span for span in exclusive if span.label in numbers), numbers),
        notes=tuple(dict.fromkeys(note[:MAX_NOTE_LENGTH] for note in notes if note)),
    )


def _tidied(spans: Iterable[Span], duration_seconds: float) -> list[Span]:
    """In order, to the millisecond; a model's last window reaches past the recording's end, its turns must not."""
    rounded = (
        Span(max(0.0, round(span.start, _DECIMALS)), min(round(span.end, _DECIMALS), duration_seconds), span.label)
        for span in spans
    )
    return sorted((span for span in rounded if span.end > span.start), key=lambda s: (s.start, s.end, s.label))


def _apart(spans: Iterable[Span]) -> list[Span]:
    """Each begins no earlier than the one before it ends."""
    kept: list[Span] = []
    for span in spans:
        start = max(span.start, kept[-1].end) if kept else span.start
        if span.end > start:
            kept.append(Span(start, span.end, span.label))
    return kept


def _turns(spans: Iterable[Span], numbers: dict[str, str]) -> tuple[Turn, ...]:
    return tuple(Turn(start=span.start, end=span.end, speaker=numbers[span.label]) for span in spans)
