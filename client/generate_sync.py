"""Generates the client without an event loop, `sync_client.py`, from `async_client.py`.

    python client/generate_sync.py           writes it
    python client/generate_sync.py --check   ends with 1 if it is not what would be written, as the tests do

unasync replaces tokens: it drops `async` and `await`, and swaps the names below. ruff formats what comes out.
"""

import argparse
import ast
import subprocess
import sys
import tempfile
from pathlib import Path

import unasync  # type: ignore[import-untyped]

PACKAGE = Path(__file__).resolve().parent / "whisperjob_client"
SOURCE = PACKAGE / "async_client.py"
TARGET = PACKAGE / "sync_client.py"

NAMES = {
    "AsyncClient": "Client",
    "async_io": "sync_io",
    "aclose": "close",
    "aiter_bytes": "iter_bytes",
    "aread": "read",
}

HEAD = '''# Generated from async_client.py by client/generate_sync.py; do not edit.
"""The client for programs without an event loop."""
'''


def main() -> None:
    parser = argparse.ArgumentParser(description="Generate sync_client.py from async_client.py.")
    parser.add_argument("--check", action="store_true", help="only compare, and end with 1 if it differs")
    check = parser.parse_args().check
    generated = generate(SOURCE.read_text(encoding="utf-8"))
    if not check:
        TARGET.write_text(generated, encoding="utf-8")
    elif TARGET.read_text(encoding="utf-8") != generated:
        sys.exit(f"{TARGET.name} is not what {SOURCE.name} gives: run `python client/generate_sync.py`.")


def generate(source: str) -> str:
    """Returns the source of the twin."""
    return _format(HEAD + _without_docstring(_replace_tokens(source)))


def _replace_tokens(source: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "async", TARGET.name)
        file.parent.mkdir()
        file.write_text(source, encoding="utf-8")
        unasync.unasync_files([str(file)], [unasync.Rule("/async/", "/sync/", NAMES)])
        return Path(folder, "sync", TARGET.name).read_text(encoding="utf-8")


def _without_docstring(source: str) -> str:
    """Drops the module's docstring, which is about the original."""
    end = ast.parse(source).body[0].end_lineno
    return "".join(source.splitlines(keepends=True)[end:])


def _format(source: str) -> str:
    """Sorts the imports, joins nested `with` statements, makes loops that only yield `yield from`, and formats."""
    fix = ["check", "--quiet", "--select", "I,SIM117,UP028", "--fix", "--unsafe-fixes"]
    for arguments in (fix, ["format", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(TARGET), "-"]
        source = subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout  # noqa: S603
    return source


if __name__ == "__main__":
    main()
