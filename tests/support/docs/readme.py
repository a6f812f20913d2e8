"""The commands in the README and in the pages of docs/, as a reader would copy them."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
BLOCK: Final = re.compile(r"^```(bash|json)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    text = (ROOT / "README.md").read_text()
    begin = text.index(f"\n## {title}\n")
    return text[begin : text.index("\n## ", begin + 1)]


def blocks(title: str) -> list[tuple[str, str]]:
    """(bash or json, what stands in it) of a section of the README, in order."""
    return BLOCK.findall(section(title))


def page_blocks(page: str, *, diarizer: bool = False) -> list[tuple[str, str]]:
    """The same of a whole page, named from the repository's root. What needs a diarizer stands there as sh."""
    text = (ROOT / page).read_text()
    return BLOCK.findall(text.replace("```sh\n", "```bash\n") if diarizer else text)
