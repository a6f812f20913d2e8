"""The README's picture shows what the commands print today."""

import html
import re
from collections import defaultdict

from support.docs.picture import COMMANDS, PICTURE, session

_TEXT = re.compile(r'<text[^>]* y="([\d.]+)"[^>]*>(.*?)</text>', re.DOTALL)
_ELAPSED = re.compile(r"\d:\d\d:\d\d(?!,)")


def rows(text: str) -> list[str]:
    """In any order, for speech and speakers are worked on side by side; without how long each took."""
    plain = (re.sub(r"\s+", " ", _ELAPSED.sub("", row)).strip() for row in text.split("\n"))
    return sorted(row for row in plain if row)


def test_the_picture_shows_what_the_commands_print() -> None:
    drawn: dict[str, str] = defaultdict(str)
    for place, text in _TEXT.findall(PICTURE.read_text()):
        drawn[place] += f"{html.unescape(text)} "
    shown = session().plain
    assert all(f"$ {command}\n" in shown for command in COMMANDS)
    assert rows("\n".join(drawn.values())) == rows(shown), "make it again (see its module)"
