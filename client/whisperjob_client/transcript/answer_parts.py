"""The answers for the parts of one chunk, joined. Pure; for recognisers that accept no file as long as the chunk."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from whisperjob_client.transcript.answer_clocks import on_chunk_clock
from whisperjob_client.transcript.recogniser_answers import (
    AnswerShapeError,
    ChunkAnswer,
    Segment,
    TimedWord,
    parse_answer,
)

PARTS: Final = "parts"
"""The field of a stored answer that holds those of the parts."""


def build_parts_body(parts: Sequence[tuple[float, float, dict[str, Any]]]) -> dict[str, Any]:
    """Returns what is stored for a chunk: each part's start in the chunk and length, in seconds, and its answer."""
    return {PARTS: [{"start": start, "seconds": seconds, "answer": answer} for start, seconds, answer in parts]}


def parse_parts(body: dict[str, Any]) -> ChunkAnswer:
    """Returns one answer on the chunk's clock. Raises AnswerShapeError."""
    try:
        parts = [(float(part["start"]), float(part["seconds"]), part["answer"]) for part in body[PARTS]]
    except (KeyError, TypeError, ValueError):
        raise AnswerShapeError("The stored parts of an answer cannot be read.") from None
    segments: list[Segment] = []
    words: list[TimedWord] = []
    texts: list[str] = []
    spoken: list[tuple[float, str | None]] = []
    for start, seconds, part in parts:
        answer = _with_segment(on_chunk_clock(parse_answer(part, seconds), seconds), seconds)
        first = len(segments)
        segments += [replace(s, start=_later(s.start, start), end=_later(s.end, start)) for s in answer.segments]
        words += [
            replace(
                word,
                start=_later(word.start, start),
                end=_later(word.end, start),
                segment=None if word.segment is None else word.segment + first,
            )
            for word in answer.words
        ]
        texts.append(answer.text)
        spoken += [(seconds, answer.language)] if answer.text else []
    language = max(spoken, default=(0.0, None), key=lambda part: part[0])[1]
    return ChunkAnswer(" ".join(filter(None, texts)), language, tuple(segments), tuple(words))


def _with_segment(answer: ChunkAnswer, seconds: float) -> ChunkAnswer:
    """Gives an answer of text alone a segment, so that its words stay in their part."""
    if answer.segments or answer.words or not answer.text:
        return answer
    return replace(answer, segments=(Segment(answer.text, 0.0, seconds, estimated=True),))


def _later(time: float | None, seconds: float) -> float | None:
    return None if time is None else max(time + seconds, 0.0)
