"""Runs the transcriptions of one call: each recording in its turn, its files, and what is printed about all of them."""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from whisperjob_cli.config import error_sentence
from whisperjob_cli.display import Display
from whisperjob_cli.exit_codes import SPEAKERS_MISSING, exit_code, worst
from whisperjob_cli.input_files import Found, Recording
from whisperjob_cli.interruptions import offer_to_cancel
from whisperjob_cli.output_files import Output, Targets, discard_checkpoint, plan, write_file, write_stream
from whisperjob_cli.standard_streams import as_text, discard_output
from whisperjob_cli.terminal import echo, echo_json, echo_name, print_table
from whisperjob_client.async_client import AsyncClient
from whisperjob_client.durations import clock
from whisperjob_client.errors import (
    ClientError,
    DiarizationUnavailableError,
    InUseError,
    JobFailedError,
    StoppedError,
    StorageError,
    UnauthorizedError,
    UnreachableError,
)
from whisperjob_client.transcript.formats import Format
from whisperjob_client.transcript.transcript_model import NoSpeaker
from whisperjob_client.transcription.transcriber import ServerRunner, Transcriber, Transcription

_WITHOUT_SPEAKERS: Final = {
    NoSpeaker.PENDING: "The speakers are not known yet",
    NoSpeaker.UNAVAILABLE: "The service has no diarizer",
    NoSpeaker.FAILED: "The diarization failed",
}

_NO_NAMES: Final = (
    "Without --diarize, --num-speakers and --speaker-name the text is made without names. "
    "`make diarizer`, once, gives a service of your own a diarizer."
)

_TOLD_SECONDS: Final = 3.0
"""When the words are there and the speakers are not, this is said after such a wait."""


class BuildTranscriber(Protocol):
    """Makes the transcriber of one recording."""

    def __call__(
        self, client: AsyncClient, server: str, watcher: Display, on_words: Callable[[Transcription], None], /
    ) -> Transcriber: ...


Render = Callable[[Transcription, Format, str], bytes]
"""Makes a file's content of a transcription. The string is the title."""


@dataclass(slots=True)
class Report:
    """What became of one recording. Without an error its files are written."""

    recording: Recording
    transcription: Transcription | None = None
    files: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    error: ClientError | None = None

    @property
    def code(self) -> int:
        if self.error is not None:
            return exit_code(self.error)
        return SPEAKERS_MISSING if self.speakers_missing else 0

    @property
    def speakers_missing(self) -> str | None:
        """The sentence about speakers that were wanted and are not in the transcript."""
        missing = self.transcription.speakers_missing if self.transcription else None
        if missing is None:
            return None
        why = _WITHOUT_SPEAKERS.get(missing, "The speakers are unknown")
        return f"{why}, so the transcript has no names. The same command completes it and sends nothing twice."

    def to_json(self) -> dict[str, object]:
        body: dict[str, object] = {"files": self.files, "notes": self.notes}
        if self.transcription is not None:
            body = {"jobId": self.transcription.job.job_id, **body}
        if (missing := self.speakers_missing) is not None:
            body["speakersMissing"] = missing
        if self.error is not None:
            body |= {"error": self.error.message, "code": self.error.code}
        return body


class TranscribeRun:
    """The transcriptions of one call. `cancel` ends a job on the server; None where the server ends with the call."""

    def __init__(
        self,
        output: Output,
        server_runner: Callable[[Path], ServerRunner],
        build: BuildTranscriber,
        render: Render,
        *,
        cancel: Callable[[str], object] | None,
        as_json: bool,
    ) -> None:
        self._output = output
        self._server_runner = server_runner
        self._build = build
        self._render = render
        self._cancel = cancel
        self._as_json = as_json
        self._inputs: frozenset[str] = frozenset()
        self._stopped_by: int | None = None

    def run(self, found: Found) -> int:
        """Returns the exit code. A single recording's ClientError is raised; those of several are in the table."""
        self._inputs = frozenset(os.path.realpath(recording.file) for recording in found.recordings)
        if len(found.recordings) > 1:
            return self._run_all(found)
        report = self._transcribe(found.recordings[0], found.notes)
        if report.error is not None:
            raise report.error
        if self._as_json:
            echo_json(json.dumps(report.to_json()))
        elif self._output.stream is None:
            _print_names(report)
        if report.speakers_missing and not self._as_json:
            echo(report.speakers_missing, err=True)
        return report.code

    def _run_all(self, found: Found) -> int:
        reports: list[Report] = []
        for sentence in found.notes if not self._as_json else ():
            echo(f"Note: {sentence}", err=True)
        for number, recording in enumerate(found.recordings, 1):
            if not self._as_json:
                echo(f"[{number}/{len(found.recordings)}] {recording.shown}", err=True)
            report = self._transcribe(recording)
            if report.error is not None and not self._as_json:
                echo(error_sentence(report.error), err=True)
            reports.append(report)
            if not self._as_json:
                _print_names(report)
            if _concerns_all(reports):
                break
        code = worst(report.code for report in reports)
        untried = found.recordings[len(reports) :]
        if self._as_json:
            listed = [{"recording": as_text(report.recording.shown), **report.to_json()} for report in reports]
            listed += [{"recording": as_text(recording.shown), "error": "Not tried."} for recording in untried]
            echo_json(json.dumps({"recordings": listed, "notes": found.notes}))
        else:
            _print_table(reports, untried)
        return code

    def _transcribe(self, recording: Recording, notes: Sequence[str] = ()) -> Report:
        report = Report(recording)
        display = Display(quiet=self._as_json)
        for sentence in notes:
            display.note(sentence)
        targets: Targets | None = None
        try:
            targets = self._plan(recording)
            with display, recording.readable(targets.checkpoint) as file:
                report.transcription = asyncio.run(self._run_on_server(file, targets, report, display))
            self._write(report, targets)  # when the bars are gone: it may go to the same terminal
        except StoppedError as error:
            report.error = self._stopped(error, report, display.unfinished_job)
        except DiarizationUnavailableError as error:
            report.error = DiarizationUnavailableError(error.status, error.code, f"{error.message} {_NO_NAMES}")
        except ClientError as error:
            report.error = error
        if targets is not None and report.error is not None and not isinstance(report.error, InUseError):
            discard_checkpoint(targets.checkpoint, job_failed=isinstance(report.error, JobFailedError))
        report.notes = display.notes
        return report

    def _plan(self, recording: Recording) -> Targets:
        try:
            return plan(recording, self._output, self._inputs)
        except StorageError as error:
            raise StorageError(f"{error.message} Choose another place for the transcript by -o.") from None

    async def _run_on_server(self, file: Path, targets: Targets, report: Report, display: Display) -> Transcription:
        with contextlib.ExitStack() as ending:

            def words_are_there(transcription: Transcription) -> None:
                if targets.stream is not None:
                    return
                report.transcription = transcription
                self._write(report, targets)
                sentence = f"The text is in {', '.join(report.files.values())}; the speakers follow."
                ending.callback(asyncio.get_running_loop().call_later(_TOLD_SECONDS, display.print, sentence).cancel)

            async def task(client: AsyncClient, server: str) -> Transcription:
                transcriber = self._build(client, server, display, words_are_there)
                self._stop_on_signals(transcriber, display)
                try:
                    return await transcriber.run(file, targets.checkpoint)
                except asyncio.CancelledError:
                    raise StoppedError("Interrupted; what was recognised so far is stored.") from None

            return await self._server_runner(targets.checkpoint)(task)

    def _stopped(self, error: StoppedError, report: Report, job_id: str | None) -> StoppedError:
        """Returns the error with what is there and what continues; on a terminal, offers to cancel the job."""
        sentences = [error.message]
        if report.files:
            names = ", ".join(report.files.values())
            sentences.append(f"The text without names is in {names}; the same command completes it.")
        if job_id is not None and self._cancel is not None:
            may_ask = not self._as_json and self._stopped_by == signal.SIGINT
            try:
                sentences.append(offer_to_cancel(job_id, self._cancel, may_ask=may_ask))
            except ClientError as failure:
                sentences.append(failure.message)
        return StoppedError(" ".join(sentences))

    def _stop_on_signals(self, transcriber: Transcriber, display: Display) -> None:
        """Makes the first SIGINT or SIGTERM wait for answers in flight, which are paid for, and the second cancel."""
        loop, run = asyncio.get_running_loop(), asyncio.current_task()
        self._stopped_by = None

        def stop(number: int) -> None:
            in_flight = 0 if self._stopped_by is not None else transcriber.stop()
            self._stopped_by = number
            if in_flight:
                display.print(
                    f"Waiting for answers that were already requested ({in_flight}). Press Ctrl-C again to stop now."
                )
            elif run is not None:
                run.cancel()

        with contextlib.suppress(NotImplementedError):
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stop, number)

    def _write(self, report: Report, targets: Targets) -> None:
        """Writes the transcript into its files, or to its stream. Raises StorageError."""
        assert report.transcription is not None
        title = as_text(report.recording.name)
        if targets.stream is not None:
            write_stream(targets.stream, self._render(report.transcription, targets.formats[0], title))
            return
        for format_, target in targets.files.items():
            write_file(target, self._render(report.transcription, format_, title))
        report.files = {str(format_): str(target) for format_, target in targets.files.items()}


def _print_names(report: Report) -> None:
    """Prints the files, one a line. That nobody reads them does not end the work on the other recordings."""
    try:
        for file in report.files.values():
            echo_name(file)
    except BrokenPipeError:
        discard_output()


def _concerns_all(reports: Sequence[Report]) -> bool:
    """Returns whether the last failure would meet every other recording too.

    The same sentence twice in a row is one about the account or the options, unless a job failed: two recordings can
    have the same fault.
    """
    last = reports[-1].error
    if isinstance(last, StoppedError | UnauthorizedError | UnreachableError | DiarizationUnavailableError):
        return True
    if last is None or isinstance(last, JobFailedError) or len(reports) < 2:
        return False
    before = reports[-2].error
    return before is not None and before.message == last.message


def _print_table(reports: Iterable[Report], untried: Iterable[Recording]) -> None:
    rows = []
    for report in reports:
        length = report.transcription.job.duration if report.transcription else None
        result = report.error.message if report.error else ", ".join(report.files.values())
        if report.error is None and (missing := report.speakers_missing):
            result += f" ({missing.partition(',')[0]}.)"
        rows.append((as_text(report.recording.shown), clock(round(length)) if length else "", as_text(result)))
    rows += [(as_text(recording.shown), "", "not tried") for recording in untried]
    print_table(("RECORDING", "LENGTH", "RESULT"), rows, err=True)
