"""Makes docs/terminal.svg, the README's picture, of a real run: `python -m support.docs.picture`, in tests/.

The server, the client and what they print are real. The speech recogniser is a stand-in that knows this conversation,
and who speaks when is what the real diarizer said about it (support.docs.speakers).
"""

import fcntl
import io
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from support.audio.conversation import conversation
from support.client.asr_server import KEY, asr_server
from support.service.serving import served

PICTURE = Path(__file__).resolve().parents[3] / "docs" / "terminal.svg"
COLUMNS: Final = 92
COMMANDS: Final = (
    "whisperjob transcribe call.wav --diarize --speaker-name Diane --speaker-name Sheila -f srt",
    "head -n 12 call.srt",
)
_RUN_SECONDS = 120
_CONTROL = re.compile(r"\x1b\[(?P<number>\d*)(?P<kind>[AK])|\x1b\[\?25[lh]|(?P<end>\r?\n)|(?P<back>\r)")

# Rich's own template loads a font from a content delivery network.
_SVG: Final = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img">
<title>A recording becomes subtitles with names</title>
<style>
.{unique_id}-matrix {{
    font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace;
    font-size: {char_height}px;
    line-height: {line_height}px;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def session() -> Text:
    """What a terminal of COLUMNS columns shows when the commands have run."""
    talk = conversation()
    shown = Text()
    with (
        tempfile.TemporaryDirectory() as folder,
        served(
            Path(folder) / "data", {"WHISPERJOB_DIARIZER_PYTHON": str(talk.recorded_diarizer(Path(folder) / "d"))}
        ) as service,
        asr_server(ear=talk.hear) as asr,
    ):
        shutil.copy(talk.file, Path(folder) / "call.wav")
        environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": folder,
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "WHISPERJOB_URL": service.url,
            "WHISPERJOB_API_KEY": service.key,
            "GROQ_API_KEY": KEY,
            "GROQ_BASE_URL": asr.url,
        }
        for command in COMMANDS:
            shown.append("$ ", "bold green").append(f"{command}\n", "bold")
            shown.append_text(Text.from_ansi(_screen(_typed(command, Path(folder), environment)))).append("\n")
    return shown


def picture(shown: Text) -> str:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    console.print(shown, soft_wrap=True)
    return console.export_svg(title="", unique_id="terminal", code_format=_SVG)


def _typed(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    """All that a terminal would be sent."""
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
    finally:
        os.close(theirs)
    sent = bytearray()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            while block := terminal.read(4096):
                sent += block
        except OSError:  # how a terminal's end reads once nobody holds the other
            pass
    assert process.wait(_RUN_SECONDS) == 0, sent.decode()
    return sent.decode()


def _screen(sent: str) -> str:
    """The rows that are left, colours and all: moving up and erasing whole rows is all that the progress bars do."""
    rows, row, place = [""], 0, 0
    for control in [*_CONTROL.finditer(sent), None]:
        rows[row] += sent[place : control.start() if control else len(sent)]
        if control is None:
            break
        place = control.end()
        if control["kind"] == "A":
            row = max(0, row - int(control["number"] or 1))
        elif control["kind"] == "K":
            rows[row] = ""
        elif control["end"]:
            row += 1
            rows += [""] if row == len(rows) else []
    return "\n".join(rows).rstrip("\n")


if __name__ == "__main__":
    PICTURE.write_text(picture(session()))
