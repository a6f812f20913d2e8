"""`whisperjob local diarize`: diarization alone, of any recording, by the diarizer's own interpreter."""

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from whisperjob.model.errors import WhisperJobError
from whisperjob.model.protocol import DiarizeOptions, ProgressPost
from whisperjob.model.settings import EngineSettings, LocalSettings
from whisperjob.model.timeline import Timeline
from whisperjob_api.diarization_requests import to_request
from whisperjob_api.schemas import DiarizeRequest
from whisperjob_local.startup import StartupError, find_ffmpeg
from whisperjob_local.worker_process import worker_environment
from whisperjob_local.worker_programs import NO_DIARIZER_MESSAGE, diarizer_environment, find_diarizer

_SIGNAL_EXIT_CODE = 128
"""Shells exit with this plus the number of the signal that ended a program."""

_TERM_SECONDS = 5.0


class DiarizerError(WhisperJobError):
    """The diarizer failed; the message is its own sentence."""


def diarize_file(file: Path, options: DiarizeOptions, report: Callable[[ProgressPost], None]) -> Timeline:
    """Returns who speaks when in `file`. The diarizer ends with this process, and when this function is interrupted.

    Raises StartupError where there is no diarizer, DiarizerError, OSError.
    """
    local = LocalSettings()
    python = find_diarizer(local.diarizer_python)
    if python is None:
        raise StartupError(NO_DIARIZER_MESSAGE)
    ffmpeg = find_ffmpeg(local.ffmpeg)
    with tempfile.TemporaryDirectory(prefix="whisperjob-") as folder:
        result = Path(folder) / "timeline.json"
        argv = [str(python), "-P", "-m", "whisperjob_diarizer.standalone", str(file.absolute())]
        argv += ["--output", str(result), "--ffmpeg", ffmpeg, "--lifeline", *_options(options)]
        _run(argv, Path(folder), report)
        try:
            return Timeline.model_validate_json(result.read_bytes())
        except (OSError, ValidationError) as error:
            raise DiarizerError("The diarizer ended well and left no timeline.") from error


def options_from_settings(
    num_speakers: int | None, min_speakers: int | None, max_speakers: int | None, model: str | None
) -> DiarizeOptions:
    """Returns the options of a diarization; 0 speakers mean that the number is unknown.

    Without a model the settings' model is used. Raises StartupError where POST /diarize would refuse the numbers,
    because they contradict each other.
    """
    engine = EngineSettings()
    try:
        body = DiarizeRequest(
            job_id="", num_speakers=num_speakers, min_speakers=min_speakers, max_speakers=max_speakers
        )
    except ValidationError as error:
        raise StartupError(f"{error.errors()[0]['msg'].removeprefix('Value error, ')}.") from None
    request = to_request(body)
    return DiarizeOptions(
        model=model or engine.diarization_model,
        num_speakers=request.num_speakers,
        min_speakers=request.min_speakers,
        max_speakers=request.max_speakers,
        allow_cpu=engine.diarization_allow_cpu,
    )


def _options(options: DiarizeOptions) -> Sequence[str]:
    numbers = {
        "--num-speakers": options.num_speakers,
        "--min-speakers": options.min_speakers,
        "--max-speakers": options.max_speakers,
    }
    speakers = [text for name, number in numbers.items() if number is not None for text in (name, str(number))]
    return ["--model", options.model, *speakers, *([] if options.allow_cpu else ["--no-cpu"])]


def _run(argv: Sequence[str], folder: Path, report: Callable[[ProgressPost], None]) -> None:
    with (folder / "stderr").open("w+b") as stderr:
        process = subprocess.Popen(  # noqa: S603 - the diarizer, arguments as a list
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**worker_environment(os.environ), "TMPDIR": str(folder), **diarizer_environment()},
        )
        with process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if (post := _parse_progress(line)) is not None:
                        report(post)
            except BaseException:
                _end(process)
                raise
        if process.returncode == 0:
            return
        stderr.seek(0)
        last_line = stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
        killed = process.returncode < 0 or process.returncode > _SIGNAL_EXIT_CODE
        raise DiarizerError("The diarizer was killed; it may have run out of memory." if killed else last_line)


def _parse_progress(line: bytes) -> ProgressPost | None:
    """Returns None for other lines: pyannote.audio prints advice when the model hub refuses a request."""
    try:
        return ProgressPost.model_validate_json(line)
    except ValidationError:
        return None


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_TERM_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
