"""The page on settings says what the settings are."""

from support.reference import REFERENCE, settings_reference


def test_the_page_is_true_today() -> None:
    assert REFERENCE.read_text() == settings_reference(), "run `python -m support.reference` in tests/"
