"""`whisperjob local diarize`: the second stage alone, on any recording, by the diarizer's own interpreter."""

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
from whisperjob_api.diarizing import to_request
from whisperjob_api.schemas import DiarizeRequest
from whisperjob_local.startup import StartupError, find_ffmpeg
from whisperjob_local.worker_process import passed_on
from whisperjob_local.worker_programs import NO_DIARIZER, diarizer_environment, find_diarizer

_ENDED_BY = 128
_TERM_SECONDS = 5.0


class DiarizerError(WhisperJobError):
    """The diarizer failed; the message is its own sentence."""


def diarize_file(file: Path, options: DiarizeOptions, report: Callable[[ProgressPost], None]) -> Timeline:
    """Who speaks when in `file`. The diarizer ends with this process, and with the context of an interrupt.

    Raises StartupError where there is no diarizer, DiarizerError, OSError.
    """
    local = LocalSettings()
    python = find_diarizer(local.diarizer_python)
    if python is None:
        raise StartupError(NO_DIARIZER)
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
    """0 speakers: find out. The model is the one the settings name unless another is given.

    Raises StartupError where the numbers contradict each other, as POST /diarize does.
    """
    engine = EngineSettings()
    try:
        body = DiarizeRequest(
            job_id="", num_speakers=num_speakers, min_speakers=min_speakers, max_speakers=max_speakers
        )
    except ValidationError as error:
        raise StartupError(f"{error.errors()[0]['msg'].removeprefix('Value error, ')}.") from None
    asked = to_request(body)
    return DiarizeOptions(
        model=model or engine.diarization_model,
        num_speakers=asked.num_speakers,
        min_speakers=asked.min_speakers,
        max_speakers=asked.max_speakers,
        allow_cpu=engine.diarization_allow_cpu,
    )


def _options(options: DiarizeOptions) -> Sequence[str]:
    numbers = {
        "--num-speakers": options.num_speakers,
        "--min-speakers": options.min_speakers,
        "--max-speakers": options.max_speakers,
    }
    given = [text for name, number in numbers.items() if number is not None for text in (name, str(number))]
    return ["--model", options.model, *given, *([] if options.allow_cpu else ["--no-cpu"])]


def _run(argv: Sequence[str], folder: Path, report: Callable[[ProgressPost], None]) -> None:
    with (folder / "stderr").open("w+b") as complaints:
        process = subprocess.Popen(  # noqa: S603 - a program of ours, arguments as a list
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**passed_on(os.environ), "TMPDIR": str(folder), **diarizer_environment()},
        )
        with process:
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if (post := _progress(line)) is not None:
                        report(post)
            except BaseException:
                _end(process)
                raise
        if process.returncode == 0:
            return
        complaints.seek(0)
        last = complaints.read().decode(errors="replace").strip().rpartition("\n")[2]
        killed = process.returncode < 0 or process.returncode > _ENDED_BY
        raise DiarizerError("The diarizer was killed; it may have run out of memory." if killed else last)


def _progress(line: bytes) -> ProgressPost | None:
    """None for what is none: pyannote.audio prints advice there when the model hub refuses it."""
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
