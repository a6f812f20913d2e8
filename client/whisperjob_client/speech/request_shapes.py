"""What is requested of a recogniser: the most it may give, and after a refusal less. Pure.

Not every server has all of OpenAI's API: some models have no `verbose_json`, some servers no word times, some models
take no prompt. A refusal mostly names the field. One that names nothing leads one step down, as long as nothing has
succeeded yet.
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from whisperjob_client.speech.recogniser import SpeechOptions
from whisperjob_client.speech.refusals import Refusal


class AnswerFormat(StrEnum):
    """What an answer has, from the most to the least. The values are those of the field `response_format`."""

    WORDS = "verbose_json with words"
    SEGMENTS = "verbose_json"
    SPEAKERS = "diarized_json"
    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class RequestShape:
    """How requests are made. `cut_by_server` is OpenAI's `chunking_strategy`, which some models require."""

    format: AnswerFormat = AnswerFormat.WORDS
    prompt: bool = True
    temperature: bool = True
    cut_by_server: bool = False

    def to_form(self, options: SpeechOptions) -> dict[str, str | list[str]]:
        """Returns the form's fields beside the file."""
        words = self.format is AnswerFormat.WORDS
        form: dict[str, str | list[str]] = {
            "model": options.model,
            "response_format": AnswerFormat.SEGMENTS.value if words else self.format.value,
        }
        form |= {"timestamp_granularities[]": ["word", "segment"]} if words else {}
        form |= {"temperature": "0"} if self.temperature else {}
        form |= {"language": options.language} if options.language else {}
        form |= {"prompt": options.prompt} if options.prompt and self.prompt else {}
        form |= {"chunking_strategy": "auto"} if self.cut_by_server else {}
        return form


FIRST_SHAPE: Final = RequestShape()

_GRANULARITIES = re.compile(r"granularit|word[-_ ]?(level )?time", re.I)
_FORMAT = re.compile(r"response[-_ ]?format|verbose[-_ ]?json|diarized[-_ ]?json", re.I)
_CUTTING = re.compile(r"chunking[-_ ]?strategy", re.I)
_PROMPT = re.compile(r"\bprompts?\b", re.I)
_TEMPERATURE = re.compile(r"\btemperature\b", re.I)
_CERTAINLY_OTHER = re.compile(
    r"\blanguage\b|(could not|cannot|failed to|unable to) (process|decode|read|open)|corrupt|"
    r"(unrecognized|invalid|unsupported) (file|audio|media)",
    re.I,
)
"""Refusals of the language or the file, which no simpler request would change."""

_REFUSING_STATUSES: Final = (400, 415, 422, 501)
_STEPS: Final = {
    AnswerFormat.WORDS: AnswerFormat.SEGMENTS,
    AnswerFormat.SEGMENTS: AnswerFormat.JSON,
    AnswerFormat.SPEAKERS: AnswerFormat.JSON,
    AnswerFormat.JSON: AnswerFormat.TEXT,
}


@dataclass(frozen=True, slots=True)
class Fallback:
    """A simpler request. `named` is whether the refusal named what it leaves out; otherwise it is a guess."""

    shape: RequestShape
    named: bool


def decide_fallback(shape: RequestShape, refusal: Refusal, *, succeeded: bool, model: str = "") -> Fallback | None:
    """Returns the next simpler request after a refusal; None if no simpler request would be accepted.

    `succeeded` is whether any request of this run was accepted: then an unspecific refusal is about the file.
    """
    if refusal.status not in (*_REFUSING_STATUSES, 500) or refusal.lacks_credit:
        return None
    simpler = _without_named_field(shape, refusal, model)
    if simpler is not None:
        return Fallback(simpler, named=True)
    if refusal.too_long or refusal.lacks_model or refusal.status == 500 or succeeded:
        return None
    if _CERTAINLY_OTHER.search(refusal.words):
        return None
    simpler = _step_down(shape)
    return None if simpler is None else Fallback(simpler, named=False)


def _without_named_field(shape: RequestShape, refusal: Refusal, model: str) -> RequestShape | None:
    words = refusal.words
    if _CUTTING.search(words) and not shape.cut_by_server:
        return replace(shape, cut_by_server=True)
    if _GRANULARITIES.search(words) and shape.format is AnswerFormat.WORDS:
        return replace(shape, format=AnswerFormat.SEGMENTS)
    if _FORMAT.search(words):
        if "diariz" in f"{model} {words}".lower() and shape.format in (AnswerFormat.WORDS, AnswerFormat.SEGMENTS):
            return replace(shape, format=AnswerFormat.SPEAKERS)
        if shape.format in (AnswerFormat.WORDS, AnswerFormat.SEGMENTS, AnswerFormat.SPEAKERS):
            return replace(shape, format=AnswerFormat.JSON)
        return _step_down(shape)
    if refusal.status == 500:  # what a traceback names beside these is no reason
        return None
    if _PROMPT.search(words) and shape.prompt:
        return replace(shape, prompt=False)
    if _TEMPERATURE.search(words) and shape.temperature:
        return replace(shape, temperature=False)
    return None


def _step_down(shape: RequestShape) -> RequestShape | None:
    simpler = _STEPS.get(shape.format)
    return None if simpler is None else replace(shape, format=simpler)
