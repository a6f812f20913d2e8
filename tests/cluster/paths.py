"""Where the cluster's parts lie: in the repository, and in the cache that makes a second start take seconds."""

from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[2]
MODULES: Final = Path(__file__).with_name("modules")
CHART: Final = REPOSITORY / "charts" / "whisperjob"
CACHE: Final = REPOSITORY / ".cache" / "cluster"
"""Everything here can be deleted while no cluster runs; it is made again."""
STATE: Final = CACHE / "run"
"""A running cluster's folder is below it, named after its guard's process."""
