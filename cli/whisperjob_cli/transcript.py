"""`whisperjob transcript`: other formats of a finished transcript, and names for its speakers. No server is needed."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whisperjob_cli.input_files import Recording, take_file
from whisperjob_cli.options import TranscriptFormats, output_option, reported_errors
from whisperjob_cli.output_files import (
    Output,
    choose_output,
    parse_formats,
    plan_conversion,
    write_file,
    write_stream,
)
from whisperjob_cli.terminal import echo_name
from whisperjob_client.errors import StorageError
from whisperjob_client.transcript.formats import Format, check_formats

if TYPE_CHECKING:
    from whisperjob_client.transcript.transcript_model import Transcript

transcript_app = typer.Typer(help="Finished transcripts: other formats, names for speakers.", no_args_is_help=True)

TranscriptFile = Annotated[
    str,
    typer.Argument(
        metavar="FILE.json",
        help="A transcript that -f json made, by this or an older version; - for standard input.",
    ),
]


@transcript_app.command()
def convert(
    file: TranscriptFile,
    formats: TranscriptFormats = None,
    output: Annotated[str | None, output_option("beside FILE.json.")] = None,
) -> None:
    """Write a transcript in other formats. Nothing is recognised again."""
    from whisperjob_client.transcript.writers import encode

    with reported_errors():
        source = take_file(file)
        wanted = choose_output(output, parse_formats(formats or []), [source])
        check_formats(wanted.formats)
        targets = plan_conversion(source, wanted)
        transcript, title = _read(source)
        _write(wanted, targets, lambda format_: encode(transcript, format_, title))


@transcript_app.command()
def rename(
    file: TranscriptFile,
    names: Annotated[
        list[str],
        typer.Argument(metavar="SPEAKER=NAME...", help="As in SPEAKER_00=Anna.  Two with the same name become one."),
    ],
    output: Annotated[str | None, output_option("FILE.json itself.")] = None,
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
        source = take_file(file)
        in_place = output is None and not source.streamed
        wanted = Output((Format.JSON,), file=source.file)
        if not in_place:
            wanted = choose_output(output, (Format.JSON,), [source])
        targets = {Format.JSON: source.file} if in_place else plan_conversion(source, wanted, replace=True)
        transcript, title = _read(source)
        renamed = write_document(rename_speakers(transcript, given), title).encode()
        _write(wanted, targets, lambda _: renamed)


def _read(source: Recording) -> "tuple[Transcript, str]":
    from whisperjob_client.transcript.document import read_document

    with tempfile.TemporaryDirectory() as folder, source.readable(Path(folder)) as file:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise StorageError.from_os_error(error, source.file) from None
    return read_document(data, source.shown)


def _write(wanted: Output, targets: dict[Format, Path], encode: Callable[[Format], bytes]) -> None:
    """Writes all formats, or none if one of them cannot be made, and prints the files' names."""
    if wanted.stream is not None:
        write_stream(wanted.stream, encode(wanted.formats[0]))
        return
    contents = {target: encode(format_) for format_, target in targets.items()}
    for target, content in contents.items():
        write_file(target, content)
        echo_name(target)
