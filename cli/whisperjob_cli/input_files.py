"""From a command's arguments to recordings: files, folders, globs and standard input.

A folder and a quoted glob stand for the files in them whose endings are those of recordings; a file that is named is
taken whatever its ending. Nothing is read here but folders, so that a wrong argument is refused before anything is
sent.
"""

import glob
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from whisperjob_client.atomic_files import ensure_private_folder
from whisperjob_client.errors import StorageError, UsageError

STANDARD_INPUT: Final = "-"
CHECKPOINT_ENDING: Final = ".whisperjob"


def _words(table: str) -> frozenset[str]:
    return frozenset(table.split())


RECORDING_ENDINGS: Final = _words(
    """
    3g2 3ga 3gp aac ac3 aif aifc aiff alac amr ape asf au avi awb caf dff dsf dss dts dv eac3 f4v flac flv gsm m2t
    m2ts m4a m4b m4r m4v mka mkv mov mp1 mp2 mp3 mp4 mpa mpc mpeg mpg mpga mts mxf nut oga ogg ogm ogv opus qt ra rm
    rmvb snd spx tak ts tta vob voc w64 wav wave weba webm wma wmv wtv wv
    """
)
"""What a folder is searched for. The service itself goes by a file's content, and knows more formats than these."""

_OWN_ENDINGS: Final = _words("txt srt vtt json md tsv docx")
"""A shell's `*` includes the transcripts of an earlier run."""

_NAMED: Final = 5
"""How many skipped files are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Recording:
    """`file` is where it is read; `place` is the folder in which it was found, relative to the argument's folder.

    A `streamed` one is a pipe: it can be read once, and has no folder of its own.
    """

    file: Path
    place: Path = Path()
    streamed: bool = False

    @property
    def name(self) -> str:
        """The name of the file, or of what stands for one."""
        return "stdin" if self.streamed else self.file.name

    @property
    def shown(self) -> str:
        return "standard input" if str(self.file) == STANDARD_INPUT else str(self.file)

    @contextmanager
    def readable(self, folder: Path) -> Iterator[Path]:
        """Yields a file that can be read more than once: the recording, or a copy in `folder` of what a pipe brings.

        Raises UsageError if nothing comes, StorageError if it cannot be read or stored.
        """
        if not self.streamed:
            yield self.file
            return
        try:
            ensure_private_folder(folder)
            with tempfile.TemporaryDirectory(prefix=".input-", dir=folder) as temporary:
                copy = Path(temporary) / self.name
                with copy.open("wb") as written:
                    if str(self.file) == STANDARD_INPUT:
                        shutil.copyfileobj(sys.stdin.buffer, written)
                    else:
                        with self.file.open("rb") as pipe:
                            shutil.copyfileobj(pipe, written)
                if not copy.stat().st_size:
                    raise UsageError(f"Nothing came from {self.shown}.")
                yield copy
        except OSError as error:
            raise StorageError.from_os_error(error, self.file) from None


@dataclass(slots=True)
class Found:
    """The recordings in the order of the arguments, and sentences about what was left out."""

    recordings: list[Recording] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_recordings(arguments: Sequence[str]) -> Found:
    """Raises UsageError if an argument names nothing, or nothing that can be read."""
    search = _Search()
    for argument in arguments:
        search.add_argument(argument)
    return search.found()


def take_file(argument: str) -> Recording:
    """Returns the recording of a command that takes one file alone. Raises UsageError."""
    search = _Search(folders=False)
    search.add_argument(argument)
    (recording,) = search.found().recordings
    return recording


class _Search:
    def __init__(self, *, folders: bool = True) -> None:
        self._folders = folders
        self._recordings: dict[str, Recording] = {}
        self._repeated: list[str] = []
        self._foreign: list[str] = []
        self._unreadable: list[str] = []
        self._own: list[Path] = []

    def add_argument(self, argument: str) -> None:
        if argument == STANDARD_INPUT:
            if sys.stdin is None or sys.stdin.isatty():
                raise UsageError("Standard input is the keyboard; `-` reads a recording from a pipe or a file.")
            self._add(Recording(Path(STANDARD_INPUT), streamed=True))
        elif not argument:
            raise UsageError("One of the names is empty.")
        elif self._folders and not os.path.lexists(argument) and glob.has_magic(argument):
            for match in _matches(argument):
                self._add_match(match)
        else:
            self._add_path(Path(argument))

    def found(self) -> Found:
        recordings = list(self._recordings.values())
        if not recordings:  # if the user names only text files, these are meant
            recordings, self._own = [Recording(file) for file in self._own if file.is_file()], []
        if not recordings:
            skipped = self._foreign + self._unreadable
            raise UsageError(f"There is no recording here. {_about(skipped)}".rstrip())
        notes = []
        if self._repeated:
            notes.append(f"Named twice, and used once: {_some(self._repeated)}.")
        if self._foreign or self._own:
            notes.append(_about(self._foreign + [str(file) for file in self._own]))
        if self._unreadable:
            notes.append(f"Skipped, because it cannot be read: {_some(self._unreadable)}.")
        return Found(recordings, notes)

    def _add(self, recording: Recording) -> None:
        same = os.path.realpath(recording.file) if not recording.streamed else str(recording.file)
        if same in self._recordings:
            self._repeated.append(recording.shown)
        else:
            self._recordings[same] = recording

    def _add_path(self, path: Path) -> None:
        """Adds what an argument names."""
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise UsageError(f"{path}: {error.strerror}.") from None
        if stat.S_ISDIR(mode):
            if not self._folders:
                raise UsageError(f"{path} is a folder; this command takes one file.")
            self._add_folder(path, named=True)
        elif stat.S_ISFIFO(mode):
            self._add(Recording(path, streamed=True))
        elif not stat.S_ISREG(mode):
            raise UsageError(f"{path} is neither a file nor a folder nor a pipe.")
        elif not os.access(path, os.R_OK):
            raise UsageError(f"{path} cannot be read: permission denied.")
        elif self._folders and _ending(path) in _OWN_ENDINGS:
            self._own.append(path)
        else:
            self._add(Recording(path))

    def _add_match(self, path: Path) -> None:
        """Adds what a glob found."""
        if path.is_dir():
            self._add_folder(path, named=False)
        else:
            self._add_found(path, Path())

    def _add_folder(self, folder: Path, *, named: bool) -> None:
        if folder.name.endswith(CHECKPOINT_ENDING):
            return

        def failed(error: OSError) -> None:
            if named and Path(error.filename) == folder:
                raise UsageError(f"{folder}: {error.strerror}.")
            self._unreadable.append(str(error.filename))

        # Links to folders are not followed: one may lead back, and what is here is found anyway.
        for inside, folders, files in os.walk(folder, onerror=failed):
            folders[:] = sorted(f for f in folders if not f.startswith(".") and not f.endswith(CHECKPOINT_ENDING))
            for name in sorted(files):
                if not name.startswith("."):
                    self._add_found(Path(inside, name), Path(inside).relative_to(folder))

    def _add_found(self, file: Path, place: Path) -> None:
        if _ending(file) not in RECORDING_ENDINGS:
            self._foreign.append(str(file))
        elif not file.is_file() or not os.access(file, os.R_OK):
            self._unreadable.append(str(file))
        else:
            self._add(Recording(file, place))


def _matches(pattern: str) -> list[Path]:
    """Returns what a glob stands for, as a shell would: nothing hidden, and `**` does not follow links to folders."""
    base = Path(Path(pattern).anchor)
    relative = Path(pattern).relative_to(base)
    hidden = any(part.startswith(".") and part not in (".", "..") for part in relative.parts)
    try:
        found = [path for path in base.glob(str(relative)) if hidden or not _is_hidden(path.relative_to(base))]
    except ValueError as error:
        raise UsageError(f"{pattern} is no glob: {error}.") from None
    if not found:
        raise UsageError(f"No file matches {pattern}")
    return sorted(found)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") and part != ".." for part in path.parts)


def _ending(file: Path) -> str:
    return file.suffix[1:].lower()


def _about(skipped: Sequence[str]) -> str:
    if not skipped:
        return ""
    return f"Skipped, because the ending is not that of a recording: {_some(skipped)}."


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
