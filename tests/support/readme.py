"""The README's sections and the commands in them, as a reader would copy them."""

import re
from pathlib import Path
from typing import Final

README: Final = Path(__file__).resolve().parents[2] / "README.md"
BLOCK: Final = re.compile(r"^```(bash|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    text = README.read_text()
    begin = text.index(f"\n## {title}\n")
    return text[begin : text.index("\n## ", begin + 1)]


def blocks(title: str) -> list[tuple[str, str]]:
    """(bash or json, what stands in it) of a section, in order."""
    return BLOCK.findall(section(title))
