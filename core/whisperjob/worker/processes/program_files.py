"""The files that a program needs to run at all: itself, its loader, and the folders of its libraries."""

import os
import struct
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ELF = b"\x7fELF"
_PT_INTERP = 3
_HEAD_BYTES = 64
_CLASS_64 = 2
_LITTLE_ENDIAN = 1
_LOADER_SECONDS = 30.0

_USUAL_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where an ELF file has the place, the row size and the length of its program headers, and these their fields."""

    word: str
    table: int
    row_bytes: int
    rows: int
    offset: int
    size: int


_WIDE = _Layout("Q", table=32, row_bytes=54, rows=56, offset=8, size=32)
_NARROW = _Layout("I", table=28, row_bytes=42, rows=44, offset=4, size=16)


@dataclass(frozen=True, slots=True)
class ProgramFiles:
    """`executables` are the program and its loader. There are none for what is no ELF program, a script for example."""

    executables: tuple[Path, ...]
    libraries: tuple[Path, ...]


@cache
def find_program_files(program: str) -> ProgramFiles:
    """Asks the program's own loader. A program that is not there has no files."""
    path = Path(program)
    try:
        loader = _loader(path)
    except (OSError, ValueError, struct.error):
        return ProgramFiles((), ())
    if loader is None:  # linked statically
        return ProgramFiles((path,), ())
    return ProgramFiles((path, loader), _library_folders(loader, path))


def _library_folders(loader: Path, program: Path) -> tuple[Path, ...]:
    """Returns the folders of all libraries that the loader would map, and those of LD_LIBRARY_PATH."""
    named = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    try:
        listed = subprocess.run(  # noqa: S603  a program of the system's that runs nothing of the one it lists
            [str(loader), "--list", str(program)],
            capture_output=True,
            text=True,
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=_LOADER_SECONDS,
        ).stdout
        words = (word for line in listed.splitlines() for word in line.split() if word.startswith("/"))
        found = {folder for word in words for folder in (Path(word).parent, Path(word).resolve().parent)}
    except (OSError, subprocess.SubprocessError):
        found = {Path(folder) for folder in _USUAL_LIBRARIES}
    return tuple(sorted({*found, *map(Path, named)}))


def _loader(program: Path) -> Path | None:
    """Returns the loader that an ELF program names, None if it needs none. Raises OSError, ValueError for others."""
    with program.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        if head[:4] != _ELF or len(head) < _HEAD_BYTES:
            raise ValueError("it is no ELF program")
        layout = _WIDE if head[4] == _CLASS_64 else _NARROW
        order = "<" if head[5] == _LITTLE_ENDIAN else ">"

        def number(kind: str, data: bytes, place: int) -> int:
            return int(struct.unpack_from(order + kind, data, place)[0])

        file.seek(number(layout.word, head, layout.table))
        row_bytes, rows = number("H", head, layout.row_bytes), number("H", head, layout.rows)
        for row in [file.read(row_bytes) for _ in range(rows)]:
            if number("I", row, 0) == _PT_INTERP:
                file.seek(number(layout.word, row, layout.offset))
                return Path(os.fsdecode(file.read(number(layout.word, row, layout.size)).rstrip(b"\0")))
    return None
