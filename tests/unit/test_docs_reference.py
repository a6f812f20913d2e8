"""The pages of reference say what the code is."""

import re

import pytest

from support.docs.reference import FOLDER, PAGES
from support.docs.reference_settings import settings_reference
from whisperjob.model.errors import INPUT_CODES, JobCode, WarningCode
from whisperjob_api.errors import HttpCode
from whisperjob_cli.config import FILE_VARIABLE, KEY_VARIABLE, SERVER_VARIABLE
from whisperjob_operator.operator_settings import OperatorSettings


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_true_today(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "run `../.venv/bin/python -m support.docs.reference` in tests/"


NO_SETTINGS = {
    *(SERVER_VARIABLE, KEY_VARIABLE, FILE_VARIABLE, "WHISPERJOB_ASR_URL", "WHISPERJOB_ASR_API_KEY"),  # of the client
    *("WHISPERJOB_CLUSTER_BIN", "WHISPERJOB_BUILD_CLUSTER", "WHISPERJOB_REFRESH_GOLDEN"),  # of the tests
}


def test_the_docs_name_no_setting_that_is_not() -> None:
    operator = {f"WHISPERJOB_{name.upper()}" for name in OperatorSettings.model_fields}
    known = {*re.findall(r"`(WHISPERJOB_\w+)`", settings_reference()), *operator, *NO_SETTINGS}
    for page in FOLDER.parent.rglob("*.md"):
        assert {*re.findall(r"WHISPERJOB_[A-Z0-9_]+", page.read_text())} <= known, page.name


def test_the_limits_name_no_code_that_is_not() -> None:
    page = (FOLDER / "limits.md").read_text()
    codes = {*HttpCode, *JobCode, *WarningCode}
    named = re.findall(r"`([a-z]+_[a-z_]+)`", page)
    assert [name for name in named if name not in codes] == []


def test_every_verdict_on_an_input_has_its_limit() -> None:
    page = (FOLDER / "limits.md").read_text()
    assert [code for code in INPUT_CODES if f"`{code}`" not in page] == []
