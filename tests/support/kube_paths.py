"""Where the operator's parts lie; importing this also makes the package importable where it is not installed.

The make-do goes away as soon as pyproject.toml lists operator/ beside the other import roots.
"""

import importlib.util
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CHART = REPOSITORY / "charts" / "whisperjob"
GOLDEN = REPOSITORY / "tests" / "data" / "operator"

if importlib.util.find_spec("whisperjob_operator") is None:
    sys.path.append(str(REPOSITORY / "operator"))
