"""A speech recogniser's answer for one chunk, in any of the shapes that verbose_json has in practice.

- Groq and OpenAI: `words` beside `segments`; OpenAI's words come without punctuation.
- faster-whisper servers: words with a leading space and their punctuation, at the top or inside segments, or null.
- whisper.cpp: words inside segments, often parts of words (those without a leading space continue the one before).
- WhisperX: words inside segments, some without times. vLLM and others: segments only, numbers now and then strings.
- transformers: `chunks` with `timestamp` pairs. Plain `json`: only `text`.

Times are as answered; `answer_clocks` brings them onto the chunk's clock, and `timing` corrects single wrong ones.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, Field, ValidationError, model_validator

from whisperjob_client.plain_text import one_line
from whisperjob_client.speech.languages import iso_code
from whisperjob_client.speech.refusals import has_error
from whisperjob_client.transcript.spelling import gap_of, letters
from whisperjob_client.transcript.transcript_model import Doubt

NO_SPEECH = 0.6
LOW_LOGPROB = -1.0
HIGH_COMPRESSION = 2.4
"""The thresholds are those of the reference decoder of the Whisper paper."""

MAX_WORDS = (2000, 30)
MAX_LETTERS = (20_000, 300)
"""What an answer may hold: so much of itself, and so much more for each second of audio. Nobody speaks a tenth as fast;
a recogniser that repeats itself until its own limit stays below, and `loops` finds what it repeats."""

_CONTENT = ("text", "segments", "words", "word_segments", "chunks")
_LONGEST_NUMBER = 40
"""Characters of a number that is sent as text."""

_CLOCK = re.compile(r"(?:(\d+):)?(\d+):(\d+(?:[.,]\d+)?)")


class AnswerShapeError(ValueError):
    """The answer is no transcription; the message says why."""


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word as answered; `segment` is the index of its segment, and `gap` what is before it, if the answer says so."""

    text: str
    start: float | None
    end: float | None
    segment: int | None = None
    gap: str | None = None
    confidence: float | None = None
    """The recogniser's probability of it, from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the chunk with its text. `gap` is what is before it, if the answer says so.

    It is `uncertain` if any of the recogniser's own values speaks against it.
    """

    text: str
    start: float | None
    end: float | None
    doubt: Doubt | None = None
    gap: str | None = None
    uncertain: bool = False
    confidence: float | None = None
    """The probability of its words on average, from 0 to 1."""

    estimated: bool = False
    """Whether its times are not the recogniser's."""


@dataclass(frozen=True, slots=True)
class ChunkAnswer:
    """The parsed answer for one chunk."""

    text: str = ""
    language: str | None = None
    segments: tuple[Segment, ...] = ()
    words: tuple[TimedWord, ...] = ()
    reported_duration: float | None = None
    """The chunk's length as the answer has it, in the answer's unit."""


def _number(value: Any) -> float | None:
    """Returns a finite number of a number, of its text, or of a clock's text: `1.5s`, `320ms`, `00:01:02,500`."""
    if isinstance(value, str) and len(value) > _LONGEST_NUMBER:
        return None
    if isinstance(value, str) and (clock := _CLOCK.fullmatch(value.strip())) is not None:
        hours, minutes, seconds = clock.groups()
        return int(hours or 0) * 3600 + int(minutes) * 60 + float(seconds.replace(",", "."))
    factor = 1.0
    if isinstance(value, str):
        text = value.strip().lower().removesuffix("s")
        value, factor = (text[:-1], 0.001) if text.endswith("m") else (text, 1.0)
    try:
        number = float(value) * factor
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Any) -> str:
    return one_line(value) if isinstance(value, str) else ""


def _list(value: Any) -> list[Any]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


Number = Annotated[float | None, BeforeValidator(_number)]
Text = Annotated[str, BeforeValidator(_text)]


def _times(value: Any) -> Any:
    """Gives an entry with `timestamp: [start, end]` (transformers) a start and an end."""
    if isinstance(value, dict) and isinstance(pair := value.get("timestamp"), list) and len(pair) == 2:
        return {**value, "start": pair[0], "end": pair[1]}
    return value


class _Timed(BaseModel):
    _pair = model_validator(mode="before")(_times)

    start: Number = Field(default=None, validation_alias=AliasChoices("start", "start_time", "startTime"))
    end: Number = Field(default=None, validation_alias=AliasChoices("end", "end_time", "endTime"))


class _Word(_Timed):
    word: Text = Field(default="", validation_alias=AliasChoices("word", "text"))
    probability: Number = Field(default=None, validation_alias=AliasChoices("probability", "confidence", "score"))


class _Segment(_Timed):
    text: Text = ""
    no_speech_prob: Number = None
    avg_logprob: Number = None
    compression_ratio: Number = None
    words: Annotated[list[_Word], BeforeValidator(_list)] = []


class _Answer(BaseModel):
    text: Text = ""
    language: Annotated[str | None, BeforeValidator(lambda value: _text(value) or None)] = None
    duration: Number = None
    segments: Annotated[list[_Segment], BeforeValidator(_list)] = Field(
        default=[], validation_alias=AliasChoices("segments", "chunks")
    )
    words: Annotated[list[_Word], BeforeValidator(_list)] = Field(
        default=[], validation_alias=AliasChoices("words", "word_segments")
    )


def parse_answer(body: object, seconds: float = 3600.0) -> ChunkAnswer:
    """Returns the answer for `seconds` of audio.

    Raises AnswerShapeError if the body is no object with `text`, `segments` or `words`, or holds more than anybody says
    in that time.
    """
    if not isinstance(body, dict) or has_error(body) or not any(name in body for name in _CONTENT):
        raise AnswerShapeError("The speech recogniser answered with something that is no transcription.")
    _check_amount(body, seconds)
    try:
        answer = _Answer.model_validate(body)
    except ValidationError as error:
        raise AnswerShapeError(f"The speech recogniser's answer cannot be read: {error.errors()[0]['msg']}.") from None
    inner: list[tuple[_Word, int | None]] = [
        (word, index) for index, segment in enumerate(answer.segments) for word in segment.words
    ]
    words = inner or [(word, None) for word in answer.words]
    return ChunkAnswer(
        text=answer.text.strip(),
        language=iso_code(answer.language),
        reported_duration=answer.duration,
        segments=tuple(
            Segment(s.text.strip(), s.start, s.end, _doubt(s), gap, _is_uncertain(s), _confidence(s))
            for s, gap in zip(answer.segments, _segment_gaps(answer), strict=True)
        ),
        words=_whole_words(words),
    )


def _check_amount(body: dict[str, Any], seconds: float) -> None:
    """Raises AnswerShapeError before a model is made of every entry."""
    entries = [entry for name in _CONTENT for entry in _list(body.get(name))]
    entries += [word for entry in entries for word in _list(entry.get("words"))]
    texts = [body.get("text"), *(entry.get(name) for entry in entries for name in ("text", "word"))]
    letters_ = sum(len(text) for text in texts if isinstance(text, str))
    for amount, (own, per_second) in ((len(entries), MAX_WORDS), (letters_, MAX_LETTERS)):
        if amount > own + per_second * max(seconds, 0.0):
            raise AnswerShapeError(
                f"The speech recogniser answered with more text than anybody says in {seconds:.0f} s of audio."
            )


def _doubt(segment: _Segment) -> Doubt | None:
    """Returns why a segment was probably never said, or None.

    Whisper's own rule for silence needs both marks, because a sentence it is sure of is speech even after a pause.
    """
    silent = segment.no_speech_prob is not None and segment.no_speech_prob > NO_SPEECH
    if silent and (segment.avg_logprob is None or segment.avg_logprob < LOW_LOGPROB):
        return Doubt.SILENCE
    return None


def _is_uncertain(segment: _Segment) -> bool:
    """Returns whether one of the marks is there. Alone it proves nothing: a high compression ratio may be a list."""
    return (
        (segment.no_speech_prob is not None and segment.no_speech_prob > NO_SPEECH)
        or (segment.avg_logprob is not None and segment.avg_logprob < LOW_LOGPROB)
        or (segment.compression_ratio is not None and segment.compression_ratio > HIGH_COMPRESSION)
    )


def _confidence(segment: _Segment) -> float | None:
    """Returns the segment's average probability. A negative compression ratio shows that the values are placeholders,
    which vLLM sends."""
    placeholder = segment.compression_ratio is not None and segment.compression_ratio < 0
    if placeholder or segment.avg_logprob is None or segment.avg_logprob > 0:
        return None
    return math.exp(segment.avg_logprob)


def _probability(word: _Word) -> float | None:
    return word.probability if word.probability is not None and 0 <= word.probability <= 1 else None


def _lower(first: float | None, second: float | None) -> float | None:
    return min((value for value in (first, second) if value is not None), default=None)


def _segment_gaps(answer: _Answer) -> list[str | None]:
    """Returns what is before each segment: as the whole text has it, or else as the segments themselves begin."""
    gaps: list[str | None] = []
    place = 0
    for segment in answer.segments:
        said = segment.text.strip()
        begin = len(answer.text) - len(answer.text[place:].lstrip())
        if answer.text.startswith(said, begin):
            gaps.append(gap_of(answer.text[place:begin]))
            place = begin + len(said)
        else:
            gaps.append(gap_of(_spaces_before(segment.text)) or None)
    return gaps


def _whole_words(words: Sequence[tuple[_Word, int | None]]) -> tuple[TimedWord, ...]:
    """Joins parts of words, and punctuation with the word before it; drops entries without text."""
    parts = [(word, segment) for word, segment in words if word.word.strip() and not _is_control_token(word.word)]
    spaced = sum(word.word[0].isspace() for word, _ in parts) * 2 >= len(parts)
    joined: list[TimedWord] = []
    trailing = ""
    for word, segment in parts:
        gap = gap_of(trailing + _spaces_before(word.word))
        trailing = word.word[len(word.word.rstrip()) :]
        continues = spaced and not gap
        if joined and (continues or not letters(word.word)):
            before = joined[-1]
            text, end = f"{before.text}{gap}{word.word.strip()}", before.end if word.end is None else word.end
            sure = _lower(before.confidence, _probability(word)) if letters(word.word) else before.confidence
            joined[-1] = TimedWord(text, before.start, end, before.segment, before.gap, sure)
        else:
            sure = _probability(word)
            joined.append(TimedWord(word.word.strip(), word.start, word.end, segment, gap or None, sure))
    return tuple(joined)


def _spaces_before(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]


def _is_control_token(text: str) -> bool:
    """Returns whether it is one of whisper.cpp's control tokens: [_BEG_], [_TT_150], <|endoftext|>."""
    text = text.strip()
    return (text.startswith("[_") and text.endswith("]")) or (text.startswith("<|") and text.endswith("|>"))
