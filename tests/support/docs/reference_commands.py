"""Makes the page on the command line from the commands themselves, with typer's own generator of such pages."""

import re

import typer
from typer.cli import get_docs_for_click

from whisperjob_cli import config
from whisperjob_cli.exit_codes import EXIT_CODES
from whisperjob_cli.main import app

_HEAD = """# Command line

`whisperjob` talks to a server, is one itself (`serve`), or works without one (`local`). With `pip install '.[client]'`
in a checkout it is small and only talks to servers; `.[local]` is all of it, and so is `.venv/bin/whisperjob` after
`make setup`. (The package is on no registry yet.) `--install-completion` sets up your shell.

## Exit codes

| code | |
| --- | --- |
{codes}

One sentence on standard error says why; with `--json` it is `{{"error": …, "code": …}}`.

## The server and its key

{config}
"""
_COMPLETION = re.compile(r"^\* `--(install|show)-completion`.*\n", re.MULTILINE)
_HELP = re.compile(r"^\* `--help`.*\n", re.MULTILINE)
_EPILOGUE = re.compile(r"^Exit codes: .*\n", re.MULTILINE)


def command_reference() -> str:
    """Returns the page as it must be."""
    command = typer.main.get_command(app)
    context = typer.Context(command, info_name="whisperjob")
    text = get_docs_for_click(obj=command, ctx=context, name="whisperjob")
    _, _, commands = text.replace("&#x27;", "'").partition("## `whisperjob submit`")
    for repeated in (_COMPLETION, _HELP, _EPILOGUE):
        commands = repeated.sub("", commands)
    commands = f"## `whisperjob submit`{commands}"
    head = _HEAD.format(codes=_codes(), config=(config.__doc__ or "").strip())
    return re.sub(r"\n{3,}", "\n\n", f"{head}\n{commands}").rstrip() + "\n"


def _codes() -> str:
    listed, _, _ = EXIT_CODES.removeprefix("Exit codes: ").partition(". One sentence")
    pairs = (entry.split(" ", 1) for entry in listed.split("; "))
    return "\n".join(f"| {code} | {meaning} |" for code, meaning in pairs)
