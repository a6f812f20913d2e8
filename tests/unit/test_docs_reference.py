"""The pages of reference say what the code is."""

import re

import pytest

from support.reference import FOLDER, PAGES
from support.reference_settings import settings_reference
from whisperjob.model.errors import INPUT_CODES, HttpCode, JobCode, WarningCode


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_true_today(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "run `../.venv/bin/python -m support.reference` in tests/"


def test_the_docs_name_no_setting_and_no_code_that_is_not() -> None:
    page = (FOLDER / "limits.md").read_text()
    known = settings_reference()
    assert [name for name in re.findall(r"WHISPERJOB_[A-Z0-9_]+", page) if f"`{name}`" not in known] == []
    codes = {*HttpCode, *JobCode, *WarningCode}
    named = re.findall(r"`([a-z]+_[a-z_]+)`", page)
    assert [name for name in named if name not in codes] == []


def test_every_verdict_on_an_input_has_its_limit() -> None:
    page = (FOLDER / "limits.md").read_text()
    assert [code for code in INPUT_CODES if f"`{code}`" not in page] == []
