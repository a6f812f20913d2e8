"""What a transcription says of its words, as sentences for its owner. Pure."""

from whisperjob_client.transcript.transcript_model import Doubt, NoSpeaker, TimesOf, Transcript


def describe_skipped(silent: int, chunks: int) -> str:
    """Returns the sentence about chunks that were not sent to the recogniser."""
    if silent == chunks:
        return "Nothing was sent to the speech recogniser, because nothing can be heard."
    which = "1 chunk is" if silent == 1 else f"{silent} chunks are"
    return (
        f"Of {chunks} chunks, {which} silent and {'was' if silent == 1 else 'were'} not sent to the speech recogniser."
    )


def describe_words(merged: Transcript, written: Transcript) -> list[str]:
    """Returns sentences about a transcript's times, and about words that are left out of it or marked in it."""
    notes = []
    if written.origin is not None and written.origin.times is TimesOf.NOTHING:
        notes.append("The recogniser gave no times; words are placed evenly, so times and speakers are estimates.")
    unheard = sum(word.doubt is Doubt.NOBODY_HEARD for word in merged.words)
    unheard -= sum(word.doubt is Doubt.NOBODY_HEARD for word in written.words)
    if unheard:
        left = "1 word was left out" if unheard == 1 else f"{unheard} words were left out"
        notes.append(f"{left}: nobody was heard there, and the recogniser was not sure (--keep-doubtful keeps them).")
    doubtful = sum(word.doubt is not None for word in written.words)
    if doubtful:
        were = "1 word was" if doubtful == 1 else f"{doubtful} words were"
        notes.append(f"{were} probably made up in silence or by repetition; JSON marks them.")
    if written.words and all(word.no_speaker is NoSpeaker.NOBODY_HEARD for word in written.words):
        notes.append("No word has a speaker: at the words' times, the diarizer heard nobody.")
    if not written.words:
        notes.append("Nobody speaks in this recording: the transcript is empty.")
    return notes
