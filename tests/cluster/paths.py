"""The paths of the cluster's parts: in the repository, and in the cache, with which a second start takes seconds."""

from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
MODULES: Final = Path(__file__).with_name("modules")
CHART: Final = REPOSITORY / "charts" / "whisperjob"
CACHE: Final = REPOSITORY / ".cache" / "cluster"
"""Everything here can be deleted while no cluster runs; it is built again."""
STATE: Final = CACHE / "run"
"""The folders of running clusters are below it."""
