"""Recognises a chunk's file: whole, or in parts if the recogniser accepts no file of its length.

What a refusal reports as the limit, or a part of what was refused, is remembered, so that later chunks are cut at once.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

import anyio

from whisperjob_client.atomic_files import write_atomically
from whisperjob_client.errors import SpeechError
from whisperjob_client.speech.mp3_parts import Mp3PartsError, Part, cut_into_parts
from whisperjob_client.speech.paced_recogniser import PacedRecogniser
from whisperjob_client.speech.rate_limits import Booking
from whisperjob_client.speech.recogniser import SpeechTooLongError
from whisperjob_client.transcript.answer_parts import PARTS, build_parts_body
from whisperjob_client.transcription.answer_memo import AnswerMemo
from whisperjob_client.transcription.options import Watcher

SHORTEST_SECONDS: Final = 5.0
"""A recogniser that refuses even this as too long means something else."""

_NEXT_TRY: Final = 0.6
"""Where the limit is unknown: two parts, with room to choose where to cut."""

_MARGIN: Final = 0.97
"""Encoders' silence counts, and some servers count it generously."""

_REQUEST_BYTES: Final = 4096
"""What a request holds beside the file, at most."""

_NO_REQUEST: Final = Booking(0.0, 0.0)
"""The booking of a chunk whose parts were sent and have bookings of their own."""


def narrower_limit(error: SpeechTooLongError, seconds: float, size_bytes: int) -> float:
    """Returns the longest file to send next, in seconds, after one of this length and size was refused as too long."""
    limit = seconds * _NEXT_TRY
    if error.longest_seconds is not None:
        limit = error.longest_seconds * _MARGIN
    elif error.largest_bytes is not None:
        limit = seconds * (error.largest_bytes * _MARGIN - _REQUEST_BYTES) / max(size_bytes, 1)
    return limit if 0 < limit < seconds else seconds * _NEXT_TRY


class FileRecognition:
    """Makes the memo hold an answer for a file. Several tasks may use it at once."""

    def __init__(self, recogniser: PacedRecogniser, memo: AnswerMemo, watcher: Watcher) -> None:
        self._recogniser = recogniser
        self._memo = memo
        self._watcher = watcher
        self._longest_seconds: float | None = None

    async def recognise(self, file: Path, sha256: str, seconds: float) -> None:
        """Raises SpeechError, StoppedError, StorageError; what was recognised by then is stored."""
        size_bytes = (await anyio.Path(file).stat()).st_size
        while True:
            longest = min(seconds, self._longest_seconds or seconds)
            try:
                if longest == seconds:
                    await self._recognise_whole(file, sha256, seconds)
                else:
                    await self._recognise_parts(file, sha256, longest)
                break
            except SpeechTooLongError as error:
                self._narrow(error, longest, int(size_bytes * longest / seconds))
        for note in self._recogniser.notes:
            self._watcher.note(note)
        if longest < seconds:
            self._watcher.note("The recogniser refuses files as long as the chunks, so they were sent in parts.")

    def _narrow(self, error: SpeechTooLongError, seconds: float, size_bytes: int) -> None:
        """Remembers a limit below `seconds`. Raises SpeechError if nothing is short enough."""
        if self._longest_seconds is not None and self._longest_seconds < seconds:
            return  # another task has found out meanwhile
        limit = narrower_limit(error, seconds, size_bytes)
        if limit < SHORTEST_SECONDS:
            raise SpeechError(error.message) from None
        self._longest_seconds = limit

    async def _recognise_whole(self, file: Path, sha256: str, seconds: float) -> None:
        answer, booking = await self._recogniser.recognise(file, seconds)
        answer.pop(PARTS, None)  # only this module makes that field, and what it says of itself is believed
        self._memo.add(sha256, answer, booking)

    async def _recognise_parts(self, file: Path, sha256: str, longest_seconds: float) -> None:
        data = await anyio.Path(file).read_bytes()
        try:
            parts = await anyio.to_thread.run_sync(cut_into_parts, data, longest_seconds)
        except Mp3PartsError as error:
            raise SpeechError(
                f"The recogniser refuses {file.name} as too long, and it cannot be cut ({error}); "
                f"make shorter chunks (--max-chunk-seconds {int(longest_seconds)})."
            ) from None
        answers = [
            (part.start, part.seconds, await self._recognise_part(file, number, part))
            for number, part in enumerate(parts, 1)
        ]
        self._memo.add(sha256, build_parts_body(answers), _NO_REQUEST)

    async def _recognise_part(self, file: Path, number: int, part: Part) -> dict[str, Any]:
        """Returns a part's answer, which is stored like a chunk's."""
        sha256 = hashlib.sha256(part.data).hexdigest()
        if (stored := self._memo.stored(sha256)) is not None:
            return stored
        part_file = file.with_name(f"{file.stem}-part-{number}{file.suffix}")
        write_atomically(part_file, part.data)
        try:
            await self._recognise_whole(part_file, sha256, part.seconds)
        finally:
            part_file.unlink(missing_ok=True)
        answer = self._memo.stored(sha256)
        assert answer is not None, "it was stored a moment ago"
        return answer
