"""The only place where commands print: nothing that others wrote reaches a terminal with control characters in it.

Names of files go as they are to a pipe, because programs open what they read there, and plain to a terminal.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final, TextIO

import typer

from whisperjob_client.plain_text import plain, plain_lines

_PIPED_WIDTH: Final = 400
"""The width where output is no screen, so that every name is printed whole."""

_UNPRINTED: Final = re.compile(r"[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]")
"""What JSON may have unescaped, though a terminal should not get it."""


def echo(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    """Prints lines for people."""
    typer.echo(plain_lines(text), err=err, nl=nl)


def echo_json(text: str, *, err: bool = False) -> None:
    """Prints JSON. What a terminal should not get is escaped, which is the same JSON."""
    typer.echo(_UNPRINTED.sub(_escaped, text), err=err)


def echo_name(file: Path | str) -> None:
    """Prints the name of a file, for people or for another program."""
    name = str(file)
    typer.echo(plain(name) if is_terminal(sys.stdout) else name)


def for_stream(data: bytes, stream: TextIO | None) -> bytes:
    """Returns a transcript as it may go to a stream: to a terminal without control characters."""
    if not is_terminal(stream):
        return data
    return plain_lines(data.decode("utf-8", "replace")).encode()


def is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def print_table(names: Iterable[str], rows: Iterable[Iterable[str]], *, err: bool = False, cut: str = "") -> None:
    """Prints a table; the column `cut` loses the ends of its cells where a screen is too narrow, others are folded."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, no_wrap=bool(cut), overflow="ellipsis" if name == cut else "fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))  # rich takes [name] in a string for markup
    console = Console(stderr=err, highlight=False)
    (console if console.is_terminal else Console(stderr=err, highlight=False, width=_PIPED_WIDTH)).print(table)


def _escaped(found: re.Match[str]) -> str:
    units = found[0].encode("utf-16-be")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
