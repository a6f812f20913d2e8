"""The help of every command, as narrow and wide terminals show it."""

from collections.abc import Iterator

import pytest
import typer
from typer.testing import CliRunner

from whisperjob_cli.main import app


def commands() -> Iterator[tuple[str, ...]]:
    """Yields the words of every command, groups too."""
    yield ()
    for name, command in vars(typer.main.get_command(app))["commands"].items():
        yield (name,)
        yield from ((name, inner) for inner in vars(command).get("commands", {}))


@pytest.mark.parametrize("words", list(commands()), ids=" ".join)
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_help_fits(words: tuple[str, ...], columns: int) -> None:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": str(columns), "TERMINAL_WIDTH": str(columns)})
    assert done.exit_code == 0, done.output
    assert done.output.startswith("Usage: ")
    assert "…" not in done.output.replace("FORMAT,…", "").replace("(en, de, …)", ""), "something was cut off"
    if columns >= 80:
        assert [line for line in done.output.splitlines() if len(line) > 80] == []
