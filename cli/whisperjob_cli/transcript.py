"""`whisperjob transcript`: other formats of a finished transcript, and names for its speakers. No server is needed."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whisperjob_cli.options import reported_errors
from whisperjob_client.errors import StorageError, UsageError
from whisperjob_client.transcript.formats import Format, check_formats

if TYPE_CHECKING:
    from whisperjob_client.transcript.transcript_model import Transcript

STDOUT = Path("-")

transcript_app = typer.Typer(help="Finished transcripts: other formats, names for speakers.", no_args_is_help=True)

TranscriptFile = Annotated[
    Path, typer.Argument(metavar="FILE.json", help="A transcript that -f json made, by this or an older version.")
]


@transcript_app.command()
def convert(
    file: TranscriptFile,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", "-f", help=f"One or more of {', '.join(Format)}.  Default: the ending of -o, or txt."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file, a folder, or - for standard output.  Default: beside FILE.json."),
    ] = None,
) -> None:
    """Write a transcript in other formats. Nothing is recognised again."""
    from whisperjob_client.transcript.writers import encode

    with reported_errors():
        targets = plan_targets(file, output, parse_formats(formats or []))
        check_formats(targets)
        transcript, title = _read(file)
        for format_, target in targets.items():
            _write(target, encode(transcript, format_, title))
        _print_names(targets.values())


@transcript_app.command()
def rename(
    file: TranscriptFile,
    names: Annotated[
        list[str],
        typer.Argument(metavar="SPEAKER=NAME...", help="As in SPEAKER_00=Anna.  Two with the same name become one."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A file, or - for standard output.  Default: FILE.json itself."),
    ] = None,
) -> None:
    """Give speakers names. Speakers with the same name become one: the diarizer may have heard two.

    A speaker is known by the id or by the name so far; an empty name takes it away. Afterwards `convert` makes the
    other formats.
    """
    from whisperjob_client.transcript.document import write_document
    from whisperjob_client.transcript.renaming import parse_names
    from whisperjob_client.transcript.renaming import rename as rename_speakers

    with reported_errors():
        given = parse_names(names)
        transcript, title = _read(file)
        target = file if output is None else output / file.name if output.is_dir() else output
        _write(target, write_document(rename_speakers(transcript, given), title).encode())
        _print_names([target])


def parse_formats(values: list[str]) -> list[Format]:
    """Returns the formats of `-f srt,vtt -f tsv`, each once. Raises UsageError for one that there is not."""
    names = [name.strip().lower().removeprefix(".") for value in values for name in value.split(",")]
    unknown = [name for name in names if name not in list(Format)]
    if unknown:
        raise UsageError(f"{unknown[0]!r} is no format; there are {', '.join(Format)}.")
    return list(dict.fromkeys(map(Format, names)))


def plan_targets(file: Path, output: Path | None, formats: list[Format]) -> dict[Format, Path]:
    """Returns the file of each format; `-` is standard output. Raises UsageError if -o and the formats contradict each
    other, or if a file would replace the transcript."""
    named = _format_of(output)
    wanted = formats or [named or Format.TXT]
    if output is None or output.is_dir():
        folder = file.parent if output is None else output
        targets = {format_: folder / f"{_stem(file)}.{format_}" for format_ in wanted}
    elif len(wanted) > 1:
        raise UsageError(f"{output} is one file, and there are {len(wanted)} formats; give -o a folder.")
    elif named is not None and named is not wanted[0]:
        raise UsageError(f"{output} ends as {named}, but --format says {wanted[0]}.")
    else:
        targets = {wanted[0]: output}
    for target in targets.values():
        if target != STDOUT and target.resolve() == file.resolve():
            raise UsageError(f"{target} would be overwritten; choose another place by -o.")
    return targets


def _format_of(output: Path | None) -> Format | None:
    """Returns the format that a file's ending names; the longest ending counts."""
    if output is None:
        return None
    name = output.name.lower()
    return next((f for f in sorted(Format, key=len, reverse=True) if name.endswith(f".{f}")), None)


def _stem(file: Path) -> str:
    return file.name[: -len(".json")] if file.name.lower().endswith(".json") else file.name


def _read(file: Path) -> "tuple[Transcript, str]":
    from whisperjob_client.transcript.document import read_document

    try:
        return read_document(file.read_bytes(), file.name)
    except OSError as error:
        raise StorageError.from_os_error(error, file) from None


def _write(target: Path, data: bytes) -> None:
    from whisperjob_client.atomic_files import write_atomically

    if target == STDOUT:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    write_atomically(target, data)


def _print_names(targets: Iterable[Path]) -> None:
    for target in targets:
        if target != STDOUT:
            typer.echo(target)
