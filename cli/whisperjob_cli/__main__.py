"""`python -m whisperjob_client`: the commands of the client alone, without any part of the server."""

import typer

from whisperjob_cli.commands import add_commands
from whisperjob_cli.exit_codes import EXIT_CODES
from whisperjob_cli.standard_streams import accept_any_name

app = typer.Typer(
    name="python -m whisperjob_client",
    help=f"Talks to a WhisperJob server.\n\n{EXIT_CODES}",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
add_commands(app)


def main() -> None:
    accept_any_name()
    app()


if __name__ == "__main__":
    main()
