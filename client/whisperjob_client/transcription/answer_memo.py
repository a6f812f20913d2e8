"""The parsed answers of a recording's chunks: each is read or received once, and parsed once."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from whisperjob_client.errors import SpeechError
from whisperjob_client.speech.rate_limits import Booking
from whisperjob_client.speech.recogniser import SpeechOptions
from whisperjob_client.transcript.answer_parts import PARTS, parse_parts
from whisperjob_client.transcript.recogniser_answers import AnswerShapeError, ChunkAnswer, parse_answer
from whisperjob_client.transcription.checkpoint import Checkpoint, Key, StoredAnswer


class AnswerMemo:
    """Answers by the SHA-256 of their chunk; those that the checkpoint has are found too."""

    def __init__(self, checkpoint: Checkpoint, options: SpeechOptions) -> None:
        self._checkpoint = checkpoint
        self._options = options
        self._answers: dict[str, ChunkAnswer] = {}

    def get(self, sha256: str) -> ChunkAnswer | None:
        """Returns None if the chunk must be recognised."""
        if sha256 not in self._answers:
            stored = self._checkpoint.answer(self._key(sha256))
            if stored is None:
                return None
            try:
                self._answers[sha256] = _parse(stored.answer, stored.seconds)
            except AnswerShapeError:
                return None
        return self._answers[sha256]

    def add(self, sha256: str, answer: dict[str, Any], booking: Booking) -> ChunkAnswer:
        """Parses an answer and stores it as it arrived. Raises SpeechError if it is no transcription, StorageError."""
        try:
            parsed = _parse(answer, booking.seconds)
        except AnswerShapeError as error:
            raise SpeechError(str(error)) from None
        stored = StoredAnswer(
            endpoint=self._options.endpoint, sent_at=booking.at, seconds=booking.seconds, answer=answer
        )
        self._checkpoint.store_answer(self._key(sha256), stored)
        self._answers[sha256] = parsed
        return parsed

    def skip(self, sha256s: Iterable[str]) -> None:
        """Takes these chunks for chunks without words, which need no recogniser."""
        self._answers.update((sha256, ChunkAnswer()) for sha256 in sha256s)

    def stored(self, sha256: str) -> dict[str, Any] | None:
        """Returns the answer as it arrived; None if the file must be recognised."""
        stored = self._checkpoint.answer(self._key(sha256))
        return stored.answer if stored is not None and self.get(sha256) is not None else None

    def bookings(self) -> list[Booking]:
        """Returns what earlier runs sent to the same recogniser; it counts against the account's limits."""
        stored = self._checkpoint.answers_from(self._options.endpoint)
        return [Booking(answer.sent_at, answer.seconds) for answer in stored]

    def _key(self, sha256: str) -> Key:
        return {"chunk": sha256, **asdict(self._options)}


def _parse(answer: dict[str, Any], seconds: float) -> ChunkAnswer:
    return parse_parts(answer) if PARTS in answer else parse_answer(answer, seconds)
