"""The option of golden files (support/golden.py)."""

import pytest

from support.golden import golden

__all__ = ["golden"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write golden files instead of comparing")
