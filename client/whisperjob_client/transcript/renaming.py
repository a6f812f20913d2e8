"""Gives speakers names, and makes one of two that are the same person. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from whisperjob_client.errors import UsageError
from whisperjob_client.plain_text import one_line
from whisperjob_client.transcript.transcript_model import Transcript


def parse_names(assignments: Sequence[str]) -> dict[str, str]:
    """Returns the new name of each speaker of `SPEAKER_00=Anna`. Raises UsageError."""
    names: dict[str, str] = {}
    for assignment in assignments:
        speaker, mark, name = assignment.partition("=")
        speaker, name = speaker.strip(), " ".join(one_line(name).split())
        if not mark or not speaker:
            raise UsageError(f"{assignment!r} gives no speaker a name; write it as SPEAKER_00=Anna.")
        if names.get(speaker, name) != name:
            raise UsageError(f"{speaker} is given two names, {names[speaker]} and {name}.")
        names[speaker] = name
    return names


def rename(transcript: Transcript, names: Mapping[str, str]) -> Transcript:
    """Returns the transcript with these names.

    A speaker is known by the id or by the name so far. Speakers with the same name become one, and so do a speaker and
    the one whose id is given as a name. An empty name takes a name away. Raises UsageError if there is no such speaker.
    """
    given = {_find(transcript, speaker): name for speaker, name in names.items()}
    labels = {speaker: transcript.names.get(speaker, "") for speaker in transcript.speakers} | given
    unnamed = replace(transcript, names={})
    shown = {speaker: label or unnamed.label(speaker) or speaker for speaker, label in labels.items()}
    shown |= {speaker: shown[name] for speaker, name in given.items() if name in shown}
    first = {name: speaker for speaker, name in reversed(shown.items())}
    words = tuple(
        word if word.speaker is None else replace(word, speaker=first[shown[word.speaker]]) for word in transcript.words
    )
    kept = {speaker: name for name, speaker in first.items()}
    return replace(transcript, words=words, names=kept)


def _find(transcript: Transcript, speaker: str) -> str:
    """Returns the id of a speaker who is given by id or by name, in any case of letters."""
    known = {name.casefold(): id_ for id_ in reversed(transcript.speakers) for name in (transcript.label(id_) or id_,)}
    known |= {id_.casefold(): id_ for id_ in transcript.speakers}
    found = known.get(speaker.casefold())
    if found is None:
        there_are = ", ".join(f"{id_} ({transcript.label(id_)})" for id_ in transcript.speakers)
        raise UsageError(f"There is no speaker {speaker}; there are {there_are or 'no speakers'}.")
    return found
