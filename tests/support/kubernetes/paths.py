"""Paths of the operator's parts."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
CHART = REPOSITORY / "charts" / "whisperjob"
GOLDEN = REPOSITORY / "tests" / "data" / "operator"
