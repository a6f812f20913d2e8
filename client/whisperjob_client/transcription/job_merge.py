"""The transcript of a job's chunks: of all channels together, or of each channel by itself and then of all. Pure."""

from collections.abc import Sequence
from itertools import pairwise

from whisperjob_client.errors import BadAnswerError
from whisperjob_client.models import Chunk
from whisperjob_client.transcript.channels import merge_channels, speaker_of
from whisperjob_client.transcript.merge import OVERLAP_SECONDS, merge
from whisperjob_client.transcript.recogniser_answers import ChunkAnswer
from whisperjob_client.transcript.transcript_model import ChunkPlace, Speakers, Transcript

MAX_CHUNKS = 100_000
"""24 hours of 32 channels, in chunks of a minute, are half as many."""

PlacedAnswer = tuple[ChunkPlace, ChunkAnswer]


def check_chunks(chunks: Sequence[Chunk]) -> None:
    """Raises BadAnswerError if no transcript can be made of the chunks: they overlap, or only some belong to a channel.
    It is called before a word is paid for."""
    if len(chunks) > MAX_CHUNKS or len({chunk.channel is None for chunk in chunks}) > 1:
        raise BadAnswerError("The service's chunks contradict each other.")
    ordered = sorted(chunks, key=lambda chunk: (chunk.channel or 0, chunk.start_seconds))
    for before, after in pairwise(ordered):
        end = before.start_seconds + before.duration_seconds
        if before.channel == after.channel and end > after.start_seconds + OVERLAP_SECONDS:
            raise BadAnswerError("The service's chunks overlap.")


def is_multichannel(chunks: Sequence[Chunk]) -> bool:
    """Returns whether the channels are the speakers."""
    return any(chunk.channel is not None for chunk in chunks)


def merge_job(
    chunks: Sequence[Chunk], answers: Sequence[PlacedAnswer], speakers: Speakers, names: Sequence[str]
) -> Transcript:
    """Returns the transcript of an answer for each chunk. `names` are those of the speakers, in the order in which they
    first speak, or of the channels."""
    if not is_multichannel(chunks):
        return merge(answers, speakers, {f"SPEAKER_{index:02d}": name for index, name in enumerate(names)})
    apart: dict[int, list[PlacedAnswer]] = {}
    for chunk, answer in zip(chunks, answers, strict=True):
        apart.setdefault(chunk.channel or 0, []).append(answer)
    merged = {channel: merge(placed, _only(channel, speakers)) for channel, placed in apart.items()}
    return merge_channels(merged, speakers, {speaker_of(channel): name for channel, name in enumerate(names)})


def _only(channel: int, speakers: Speakers) -> Speakers:
    """Returns when the speaker of a channel speaks: where nobody does, the recogniser's doubts count."""
    own = tuple(segment for segment in speakers.segments if segment.speaker == speaker_of(channel))
    return Speakers(own, speakers.missing)
