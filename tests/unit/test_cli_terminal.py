"""Commands print in one place, and nothing that others wrote reaches a terminal with control characters in it."""

import ast
import json
import os
import pty
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import whisperjob_cli
from whisperjob_cli.display import Display
from whisperjob_cli.tables import print_job, print_jobs
from whisperjob_cli.terminal import echo, echo_json, echo_name, for_stream
from whisperjob_client.models import Diarization, Job

EVIL = "a\x1b[2J\x1b]0;owned\x07\x9b31m\u202eb\x00\r[red]c[/nothing]"
JOB = Job.model_validate(
    {
        "jobId": EVIL, "status": "processing", "step": EVIL, "originalFilename": EVIL, "createdAt": EVIL, "error": EVIL,
        "warnings": [EVIL], "tracks": [{"index": 0, "title": EVIL}, {"index": 1, "codec": EVIL, "used": False}],
        "unknown": EVIL,
    }
)  # fmt: skip


def on_a_terminal(function: Callable[[], object]) -> str:
    """Returns what a function that runs in a process of its own writes to its terminal."""
    child, terminal = pty.fork()
    if child == 0:
        code = 1
        try:
            function()
            sys.stdout.flush()
            code = 0
        finally:
            os._exit(code)
    written = b""
    with open(terminal, "rb", buffering=0) as opened:  # noqa: PTH123 - a descriptor
        while True:
            try:
                piece = opened.read(4096)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            written += piece
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, written
    return written.decode()


def show_everything() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    sys.stdout, sys.stderr = open(1, "w", closefd=False), open(2, "w", closefd=False)  # noqa: SIM115
    print_job(JOB)
    print_jobs([JOB])
    echo(EVIL, err=True)
    echo_name(Path("name \x1b[2J\x9b\u202e"))
    echo_json(JOB.to_json())
    sys.stdout.buffer.write(for_stream(EVIL.encode(), sys.stdout))
    with Display() as display:
        display.note(EVIL)
        display.working(JOB)
        display.diarizing(Diarization.model_validate({"jobId": "a", "status": "running", "waitingFor": EVIL}))
        display.received(EVIL, 1, 2)


def test_foreign_text_moves_no_cursor() -> None:
    shown = on_a_terminal(show_everything)
    assert "[red]c[/nothing]" in shown
    for control in ("\x1b[2J", "\x1b]", "\x07", "\x9b", "\u202e", "\x00"):
        assert control not in shown


def test_json_is_escaped_and_stays_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"a": "\x1b\x9b\u202e\U000e0041é"}
    echo_json(json.dumps(value, ensure_ascii=False))
    printed = capsys.readouterr().out
    assert json.loads(printed) == value
    assert printed.strip().isprintable()


def test_a_pipe_gets_names_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    echo_name("a\x1bb")
    assert capsys.readouterr().out == "a\x1bb\n"
    assert for_stream(b"a\x1bb", sys.stdout) == b"a\x1bb"


def test_no_other_module_prints() -> None:
    """`display` and `terminal` alone have a console; output_files writes transcripts, through `for_stream`."""
    printing = ("print", "typer.echo", "click.echo", "Console")
    found = [
        f"{file.name}:{node.lineno}"
        for file in sorted(Path(whisperjob_cli.__file__).parent.glob("*.py"))
        if file.name not in ("terminal.py", "display.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in printing
    ]
    assert found == []
