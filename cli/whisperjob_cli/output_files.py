"""Decides where transcripts are written: reads --format and -o, and plans the files and checkpoint of a recording.

Two recordings never write to the same file. A recording reserves a name by a file in its checkpoint's folder, so that
this holds for a later call too: x.mp3 becomes x.txt, and x.wav, which comes after it, x.wav.txt.
"""

import os
import re
import shutil
import stat
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from whisperjob_cli.input_files import CHECKPOINT_ENDING, RECORDING_ENDINGS, Recording
from whisperjob_cli.terminal import for_stream
from whisperjob_client.atomic_files import PRIVATE, ensure_private_folder, read_bounded, write_atomically
from whisperjob_client.errors import StorageError, UsageError
from whisperjob_client.file_names import fit_name, name_limit
from whisperjob_client.transcript.formats import Format

STANDARD_OUTPUT: Final = "-"
KNOWN_FORMATS: Final = ", ".join(Format)

_OWNER_NAME: Final = "recording"
"""Inside a checkpoint's folder: the recording whose transcript has this name, relative to the folder around it."""

_LONGEST_OWNER_BYTES: Final = 64 * 1024
_LOCK_NAME: Final = "lock"

_ENDING = re.compile(r"\.(?=[^.]*[A-Za-z])[A-Za-z0-9]+$")
"""An ending has a letter: in `interview 2024.05.13` there is none."""

_MAX_NUMBER: Final = 10_000


@dataclass(frozen=True, slots=True)
class Output:
    """What -o and --format ask for. Exactly one of `file`, `folder`, `stream` and `beside` is set.

    `stream` is standard output (`-`), or a device or pipe, to which the transcript is written as it is.
    """

    formats: tuple[Format, ...]
    file: Path | None = None
    folder: Path | None = None
    stream: str | None = None
    beside: bool = False


@dataclass(frozen=True, slots=True)
class Targets:
    """The files of one transcript, and the folder of what its run has finished. A stream has no files."""

    files: dict[Format, Path]
    checkpoint: Path
    stream: str | None = None
    formats: tuple[Format, ...] = ()


def parse_formats(values: Sequence[str]) -> tuple[Format, ...]:
    """Returns the formats of `-f srt,vtt -f json`, each once. Raises UsageError for a name that is none."""
    names = [name.strip().lower().removeprefix(".") for value in values for name in value.split(",")]
    unknown = [name for name in names if name and name not in list(Format)]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no format of transcripts; there are {KNOWN_FORMATS}.")
    return tuple(dict.fromkeys(Format(name) for name in names if name))


def choose_output(text: str | None, formats: tuple[Format, ...], recordings: Sequence[Recording]) -> Output:
    """Raises UsageError if -o does not suit the formats or the number of recordings, or has an unknown ending."""
    several = len(recordings) > 1
    wanted = formats or (Format.TXT,)
    if text is None and not several and recordings[0].streamed:
        text = STANDARD_OUTPUT
    if text is None:
        return Output(wanted, beside=True)
    if not text:
        raise UsageError("-o needs a name.")
    path = Path(text)
    if text == STANDARD_OUTPUT or _is_stream(path):
        if several or len(wanted) > 1:
            what = "the transcripts of several recordings" if several else "several formats"
            raise UsageError(f"{'Standard output' if text == '-' else text} cannot take {what}; give -o a folder.")
        if text == STANDARD_OUTPUT and wanted[0] is Format.DOCX and sys.stdout.isatty():
            raise UsageError("A docx is no text for a terminal; give -o a file.")
        return Output(wanted, stream=text)
    if text.endswith(("/", os.sep)) or path.is_dir():
        if path.exists() and not path.is_dir():
            raise UsageError(f"{path} is a file, not a folder.")
        return Output(wanted, folder=path)
    return _named_output(path, formats, wanted, len(recordings))


def _named_output(path: Path, formats: tuple[Format, ...], wanted: tuple[Format, ...], count: int) -> Output:
    ending = _ending(path)[1:]
    if count > 1:
        if ending or path.exists():
            raise UsageError(f"{path} is one file, and there are {count} recordings; give a folder, such as -o out/.")
        return Output(wanted, folder=path)
    if not ending:
        return Output(wanted, file=path)
    if ending.lower() not in list(Format):
        raise UsageError(
            f"{path} ends in .{ending}, which is no format of transcripts; there are {KNOWN_FORMATS}. "
            "For a folder, put a / at its end."
        )
    named = Format(ending.lower())
    if formats and named not in formats:
        raise UsageError(f"{path} ends as {named}, but the format is {', '.join(formats)}.")
    return Output(formats or (named,), file=path)


def plan(recording: Recording, output: Output, inputs: Collection[str]) -> Targets:
    """Returns the files of a recording's transcript, and reserves their name. `inputs` are the real paths of all
    recordings, which are never overwritten.

    Raises UsageError if the named file is a recording, StorageError if the folder cannot be written to.
    """
    if output.stream is not None:
        return Targets({}, _checkpoint_of_stream(recording), output.stream, output.formats)
    if output.file is not None:
        return _named_targets(recording, output.file, output.formats, inputs)
    folder = Path() if recording.streamed else recording.file.parent
    if output.folder is not None:
        folder = output.folder / recording.place
    limit = name_limit(folder)
    for number, name in enumerate(_names(recording)):
        files = {format_: folder / fit_name(name, f".{format_}", limit) for format_ in output.formats}
        checkpoint = folder / fit_name(name, CHECKPOINT_ENDING, limit)
        if any(os.path.realpath(file) in inputs for file in files.values()):
            continue
        if number == 0 and _may_belong_to_another(recording, files.values(), checkpoint):
            continue
        if _reserve(checkpoint, recording, folder):
            return Targets(files, checkpoint, None, output.formats)
    raise UsageError(f"{recording.shown}: every name for its transcript in {folder} is taken.")


def plan_conversion(source: Recording, output: Output, *, replace: bool = False) -> dict[Format, Path]:
    """Returns the files that are made of a finished transcript, none for a stream. Earlier files are replaced.

    Raises UsageError if one would replace the transcript itself, unless `replace` says that it may.
    """
    if output.stream is not None:
        return {}
    if output.file is not None:
        files = _named_files(output.file, output.formats)
    else:
        folder = output.folder or (Path() if source.streamed else source.file.parent)
        stem = source.name[: -len(".json")] if source.name.lower().endswith(".json") else source.name
        limit = name_limit(folder)
        files = {format_: folder / fit_name(stem, f".{format_}", limit) for format_ in output.formats}
    if not replace:
        _check_inputs(files.values(), {os.path.realpath(source.file)})
    return files


def write_file(target: Path, data: bytes) -> None:
    """Writes a file whole, in a folder that need not exist yet. Raises StorageError."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError.from_os_error(error, target) from None
    write_atomically(target, data)


def write_stream(stream: str, data: bytes) -> None:
    """Writes to standard output or to a device. Raises BrokenPipeError, StorageError."""
    try:
        if stream == STANDARD_OUTPUT:
            sys.stdout.buffer.write(for_stream(data, sys.stdout))
            sys.stdout.flush()
        else:
            with Path(stream).open("wb") as device:
                device.write(data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise StorageError.from_os_error(error, stream) from None


def _names(recording: Recording) -> Iterator[str]:
    """Yields the name without its ending, the whole name, and then numbered ones."""
    name = recording.name
    yield _ENDING.sub("", name) or name
    yield name
    for number in range(2, _MAX_NUMBER):
        yield f"{name} ({number})"


def _ending(file: Path) -> str:
    """Returns the ending with its dot, which for words.vtt has two; empty if there is none."""
    formats = sorted((f".{format_}" for format_ in Format), key=len, reverse=True)
    if known := next((ending for ending in formats if file.name.lower().endswith(ending)), None):
        return file.name[-len(known) :]
    return match[0] if (match := _ENDING.search(file.name)) else ""


def _named_targets(recording: Recording, file: Path, formats: tuple[Format, ...], inputs: Collection[str]) -> Targets:
    files = _named_files(file, formats)
    _check_inputs(files.values(), inputs)
    checkpoint = file.with_name(fit_name(_stem(file), CHECKPOINT_ENDING, name_limit(file.parent)))
    _reserve(checkpoint, recording, file.parent)
    return Targets(files, checkpoint, None, formats)


def _named_files(file: Path, formats: tuple[Format, ...]) -> dict[Format, Path]:
    """Returns the files of -o talk.srt; with several formats, or without an ending, they share what is before it."""
    if len(formats) == 1 and _ending(file):
        return {formats[0]: file}
    limit = name_limit(file.parent)
    return {format_: file.with_name(fit_name(_stem(file), f".{format_}", limit)) for format_ in formats}


def _stem(file: Path) -> str:
    return file.name.removesuffix(_ending(file))


def _check_inputs(files: Iterable[Path], inputs: Collection[str]) -> None:
    for file in files:
        if os.path.realpath(file) in inputs:
            raise UsageError(f"{file} would be overwritten; choose another place for the transcript by -o.")


def _reserve(checkpoint: Path, recording: Recording, folder: Path) -> bool:
    """Returns whether the checkpoint's folder, and with it the name, is this recording's; a free one becomes so."""
    owner = b"-" if recording.streamed else os.fsencode(os.path.relpath(recording.file, folder))
    file = checkpoint / _OWNER_NAME
    try:
        if checkpoint.exists() and not checkpoint.is_dir():
            return False  # a file has the name of the folder
        ensure_private_folder(checkpoint)
        with suppress(FileExistsError):
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(owner)
            return True
        return read_bounded(file, _LONGEST_OWNER_BYTES) == owner
    except OSError as error:
        raise StorageError.from_os_error(error, checkpoint) from None


def discard_checkpoint(checkpoint: Path, *, job_failed: bool) -> None:
    """Removes a checkpoint that spares a later run nothing: no answer is in it, and no job, or one that failed.

    A folder with any other file stays as it is.
    """
    try:
        files = [file for file in checkpoint.rglob("*") if not file.is_dir()]
    except OSError:
        return
    jobs = [file for file in files if re.fullmatch(r"job-[0-9a-f]{16}\.json", file.name)]
    others = [file for file in files if file not in jobs and file.name not in (_OWNER_NAME, _LOCK_NAME)]
    if not others and (job_failed or not jobs):
        shutil.rmtree(checkpoint, ignore_errors=True)


def _may_belong_to_another(recording: Recording, files: Collection[Path], checkpoint: Path) -> bool:
    """Returns whether there is a transcript with this name that may belong to another recording in the same folder."""
    if recording.streamed or (checkpoint / _OWNER_NAME).exists() or not any(file.exists() for file in files):
        return False
    stem = _ENDING.sub("", recording.file.name)
    with suppress(OSError), os.scandir(recording.file.parent) as entries:
        for entry in entries:
            other = entry.name != recording.file.name and _ENDING.sub("", entry.name) == stem
            if other and entry.name.rpartition(".")[2].lower() in RECORDING_ENDINGS:
                return True
    return False


def _checkpoint_of_stream(recording: Recording) -> Path:
    """Returns the folder beside the recording if one can be there, else one in the user's cache."""
    if not recording.streamed:
        folder = recording.file.parent
        beside = folder / fit_name(_ENDING.sub("", recording.name), CHECKPOINT_ENDING, name_limit(folder))
        if os.access(beside if beside.exists() else folder, os.W_OK):
            return beside
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "whisperjob"
    return cache / fit_name(recording.name, CHECKPOINT_ENDING, name_limit(cache))


def _is_stream(path: Path) -> bool:
    """Returns whether the path is a device or a pipe, which must not be replaced by a file."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
