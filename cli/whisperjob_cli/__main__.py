"""`python -m whisperjob_client`: the client's commands alone, without any server part."""

import typer

from whisperjob_cli.commands import commands
from whisperjob_cli.exit_codes import EXIT_CODES

app = typer.Typer(
    name="python -m whisperjob_client",
    help=f"Talks to a WhisperJob server.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
commands(app)

if __name__ == "__main__":
    app()
