"""`make docs` as a person runs it: a site that needs nothing from elsewhere, and refuses links that lead nowhere."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from support.programs.environment import unconfigured

ROOT = Path(__file__).parents[2]
SITE = ROOT / "dist" / "docs"
GENERATOR = ROOT / ".cache" / "docs" / "venv" / "bin" / "zensical"
ENVIRONMENT = unconfigured()
MARKDOWN_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


class Page(HTMLParser):
    """What a browser would load for a page, and where its links lead."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.feed(file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a":
            self.links += [href] if (href := given.get("href")) else []
        elif tag != "link" or given.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.loads += [value for name in ("src", "href", "data") if (value := given.get(name))]


@pytest.fixture(scope="module")
def site() -> Path:
    made = subprocess.run(["make", "docs"], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=240)
    assert made.returncode == 0, made.stdout + made.stderr
    return SITE


def test_a_page_loads_nothing_from_elsewhere_and_all_that_it_loads_is_there(site: Path) -> None:
    for file in site.rglob("*.html"):
        for address in Page(file).loads:
            parts = urlsplit(address)
            assert (parts.scheme, parts.netloc) == ("", ""), f"{file.name} loads {address}"
            if file.name != "404.html" and parts.path:  # that one has addresses from the root
                assert (file.parent / unquote(parts.path)).exists(), f"{file.name} loads {address}"
        assert not re.search(r"mermaid|glightbox|data-md-component=.source", file.read_text()), (
            "its script is elsewhere"
        )
    for sheet in site.rglob("*.css"):
        assert re.findall(r"url\(\s*['\"]?(?:https?:)?//[^)]*", sheet.read_text()) == []


def test_every_page_is_in_the_menu(site: Path) -> None:
    listed = {urlsplit(link).path.removeprefix("./") for link in Page(site / "index.html").links}
    pages = [file.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for file in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if page not in listed and page != "index.html"] == []


def test_links_and_pictures_between_files_lead_somewhere() -> None:
    for file in (
        *ROOT.glob("*.md"),
        *(ROOT / "examples").glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
    ):
        for target in MARKDOWN_LINK.findall(file.read_text()):
            if not urlsplit(target).scheme:
                assert (file.parent / unquote(target)).exists(), f"{file.relative_to(ROOT)} leads to {target}"


@pytest.mark.parametrize("wrong", ["[no page](gone.md)", "[no heading](reference/limits.md#gone)"])
def test_a_link_that_leads_nowhere_fails_the_build(site: Path, tmp_path: Path, wrong: str) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    with (tmp_path / "docs" / "index.md").open("a") as page:
        page.write(f"\n{wrong}\n")
    command = [str(GENERATOR), "build", "--strict", "--config-file", "zensical.toml"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert built.returncode != 0
    assert "does not exist" in built.stderr
