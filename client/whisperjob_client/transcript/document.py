"""The transcript as JSON: its fields, their meaning, and reading it again, also as older versions wrote it. Pure.

The schema in docs/reference is made of these models. Version 2 added `source`, `recogniser`, `sentences` and
`confidence`, and its `language` is a code; in version 1 it was what the recogniser had called it.
"""

import json
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    FailFast,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)
from pydantic.alias_generators import to_camel

from whisperjob_client.errors import UsageError
from whisperjob_client.foreign_json import load_json
from whisperjob_client.plain_text import one_line, plain
from whisperjob_client.speech.languages import iso_code
from whisperjob_client.transcript.paragraphs import paragraphs
from whisperjob_client.transcript.sentences import sentences
from whisperjob_client.transcript.spelling import gap_of
from whisperjob_client.transcript.transcript_model import Doubt, NoSpeaker, Origin, TimesOf, Transcript, Word

SCHEMA_VERSION: Final = 2

_LATEST_SECONDS: Final = 1e9
_LONGEST_NAME: Final = 300
"""Characters of a speaker's name, which stands before each paragraph."""

MAX_VALUES: Final = 20_000_000
"""Of a transcript: 24 hours of lively talk have some 2 million."""


class _Part(BaseModel):
    """Fields named in `optional` are left out where they have no value; all others are always there."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, allow_inf_nan=False)

    optional: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _without_absent_fields(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        absent = {to_camel(name) for name in self.optional} | {*self.optional}
        return {name: value for name, value in fields.items() if value is not None or name not in absent}


class DocumentSource(_Part):
    """The recording."""

    sha256: str = Field(description="SHA-256 of the recording's bytes, as hexadecimal digits.")


class DocumentRecogniser(_Part):
    """The speech recogniser."""

    model: str = Field(description="The model's name, as it was requested.")
    times: TimesOf | None = Field(
        description="What the recogniser gave times of: `words` (they are exact), `segments` (words are spread over "
        "them), or `nothing` (words are placed evenly, and their times and speakers are estimates). The least of all "
        "chunks; null if nothing was said."
    )


class DocumentSpeaker(_Part):
    """A speaker, in the order of their first words."""

    id: str = Field(description="The name that the other fields use.")
    name: str = Field(description="What people are shown.")


class DocumentParagraph(_Part):
    """What one speaker says without a long pause."""

    start: float = Field(description="Seconds from the recording's beginning.")
    end: float = Field(description="Seconds from the recording's beginning.")
    speaker: str | None = Field(description="A speaker's id; null if none was found.")
    text: str = Field(description="The words, as running text.")


class DocumentSentence(DocumentParagraph):
    """What one speaker says up to the end of a sentence, of their turn, or to a long pause."""

    optional = ("confidence",)

    confidence: float | None = Field(default=None, description="Mean of the words' confidence. Absent if unknown.")


class DocumentWord(_Part):
    """A word with its punctuation."""

    optional = ("gap", "speaker_reason", "doubt", "confidence")

    start: float = Field(description="Seconds from the recording's beginning.")
    end: float = Field(description="Seconds from the recording's beginning.")
    text: str = Field(description="The word, with its punctuation.")
    speaker: str | None = Field(description="A speaker's id; null if none was found.")
    gap: str | None = Field(
        default=None, description="What is between it and the word before. Absent: a space. Some scripts have none."
    )
    speaker_reason: NoSpeaker | None = Field(default=None, description="Why it has no speaker. Absent if it has one.")
    doubt: Doubt | None = Field(default=None, description="Why it was probably never said. Absent if it was.")
    confidence: float | None = Field(
        default=None,
        description="The recogniser's probability of the word, from 0 to 1; where it gives none for words, that of the "
        "segment (the exponential of `avg_logprob`). Absent if it gives neither.",
    )


class TranscriptDocument(_Part):
    """A transcript. `words` are what it consists of; paragraphs and sentences are made of them, and are not read."""

    model_config = ConfigDict(title="Transcript")

    schema_version: Literal[2] = Field(default=SCHEMA_VERSION, description="The version of this schema.")
    title: str = Field(description="The recording's name.")
    language: str | None = Field(
        description="ISO 639 code of the language of most of it, or of --language where the recogniser tells none; "
        "null if unknown."
    )
    duration: float = Field(description="The recording's length in seconds.")
    source: DocumentSource | None = Field(default=None, description="The recording; null if unknown.")
    recogniser: DocumentRecogniser | None = Field(default=None, description="The recogniser; null if unknown.")
    speakers: Annotated[list[DocumentSpeaker], FailFast()] = Field(
        description="All speakers; empty if nobody was told apart."
    )
    paragraphs: Annotated[list[DocumentParagraph], FailFast()] = Field(default=[], description="The words for reading.")
    sentences: Annotated[list[DocumentSentence], FailFast()] = Field(default=[], description="The words as sentences.")
    words: Annotated[list[DocumentWord], FailFast()] = Field(description="All words, in the order of their starts.")


def to_document(transcript: Transcript, title: str) -> TranscriptDocument:
    origin = transcript.origin
    return TranscriptDocument(
        title=title,
        language=transcript.language,
        duration=round(transcript.duration, 3),
        source=DocumentSource(sha256=origin.sha256) if origin else None,
        recogniser=DocumentRecogniser(model=origin.model, times=origin.times) if origin else None,
        speakers=[DocumentSpeaker(id=s, name=transcript.label(s) or s) for s in transcript.speakers],
        paragraphs=[
            DocumentParagraph(start=round(p.start, 3), end=round(p.end, 3), speaker=p.speaker, text=p.text)
            for p in paragraphs(transcript)
        ],
        sentences=[
            DocumentSentence(
                start=round(s.start, 3),
                end=round(s.end, 3),
                speaker=s.speaker,
                text=s.text,
                confidence=_rounded(s.confidence),
            )
            for s in sentences(transcript)
        ],
        words=[_to_word(word) for word in transcript.words],
    )


def write_document(transcript: Transcript, title: str) -> str:
    """Returns the JSON."""
    body = to_document(transcript, title).model_dump(mode="json", by_alias=True)
    return json.dumps(body, ensure_ascii=False, indent=1) + "\n"


def read_document(data: bytes, name: str) -> tuple[Transcript, str]:
    """Returns the transcript in a JSON of any version, and its title. `name` names the file in errors.

    Raises UsageError if it is none.
    """
    try:
        body = load_json(data.decode(json.detect_encoding(data)), MAX_VALUES)
    except ValueError:
        raise UsageError(f"{name} is no JSON; a transcript for this is made by -f json.") from None
    version = body.get("schemaVersion") if isinstance(body, dict) else None
    if not isinstance(version, int) or version < 1 or "words" not in body:
        raise UsageError(f"{name} is no transcript of whisperjob; one is made by -f json.")
    if version > SCHEMA_VERSION:
        raise UsageError(f"{name} was written by a newer version (its schemaVersion is {version}).")
    if version == 1:
        body = {**body, "schemaVersion": SCHEMA_VERSION, "language": iso_code(body.get("language"))}
    try:
        document = TranscriptDocument.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(f"{name} is no transcript of whisperjob ({where}: {first['msg']}).") from None
    return _to_transcript(document), one_line(document.title)


def _to_word(word: Word) -> DocumentWord:
    return DocumentWord(
        start=round(word.start, 3),
        end=round(word.end, 3),
        text=word.text,
        speaker=word.speaker,
        gap=None if word.gap == " " else word.gap,
        speaker_reason=word.no_speaker,
        doubt=word.doubt,
        confidence=_rounded(word.confidence),
    )


def _seconds(time: float) -> float:
    """Returns a time that can be written: whoever edited the file, none is negative or beyond thirty years."""
    return min(max(time, 0.0), _LATEST_SECONDS)


def _rounded(confidence: float | None) -> float | None:
    return None if confidence is None else round(confidence, 3)


def _to_transcript(document: TranscriptDocument) -> Transcript:
    """Returns the words in order, because people edit files."""
    words = [
        Word(
            start=_seconds(word.start),
            end=_seconds(max(word.start, word.end)),
            text=one_line(word.text),
            speaker=None if word.speaker is None else plain(word.speaker, _LONGEST_NAME),
            no_speaker=word.speaker_reason,
            doubt=word.doubt,
            gap=" " if word.gap is None else gap_of(word.gap),
            confidence=word.confidence,
        )
        for word in document.words
    ]
    origin = None
    if document.source is not None and document.recogniser is not None:
        recogniser = document.recogniser
        origin = Origin(one_line(document.source.sha256), one_line(recogniser.model), recogniser.times)
    return Transcript(
        words=tuple(sorted(words, key=lambda word: word.start)),
        duration=_seconds(document.duration),
        language=None if document.language is None else one_line(document.language),
        names={plain(s.id, _LONGEST_NAME): plain(s.name, _LONGEST_NAME) for s in document.speakers},
        origin=origin,
    )
