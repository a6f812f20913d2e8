"""`make chaos`: runs every scenario to its full length, and stores what was seen in docs/reliability.md."""

import argparse
import logging
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chaos.registry import SCENARIOS
from chaos.scenario import NotRunError, Scenario

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs" / "reliability.md"
_TITLE = "## One run"


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of a scenario. `sentence` is its figures, what was broken, or why it was not run."""

    scenario: Scenario
    mark: str
    sentence: str
    seconds: float


def main() -> int:
    """Returns 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--only", nargs="+", choices=names, help="some scenarios; the page is not changed")
    parser.add_argument("--quick", action="store_true", help="the half that `make test` runs; the page is not changed")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)  # the operator runs in this process, and says a lot about trouble that is meant
    chosen = [scenario for scenario in SCENARIOS if not arguments.only or scenario.name in arguments.only]
    outcomes = []
    for scenario in chosen:
        print(f"{scenario.name}: {scenario.trouble}", flush=True)
        outcome = _run(scenario, full=not arguments.quick)
        print(f"  {outcome.mark} after {outcome.seconds:.0f} s: {outcome.sentence}", flush=True)
        outcomes.append(outcome)
    if not arguments.only and not arguments.quick:
        page = PAGE.read_text()
        before, _, after = re.split(rf"^({_TITLE}.*?)(?=^## |\Z)", page, maxsplit=1, flags=re.MULTILINE | re.DOTALL)
        PAGE.write_text(before + _section(outcomes) + after)
        print(f"The figures are in {PAGE.relative_to(REPOSITORY)}.")
    return int(any(outcome.mark == "broken" for outcome in outcomes))


def _run(scenario: Scenario, *, full: bool) -> _Outcome:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        try:
            mark, sentence = "held", scenario.run(Path(folder), full)
        except (NotRunError, pytest.skip.Exception) as error:
            mark, sentence = "not run", str(error)
        except Exception as error:  # noqa: BLE001  whatever ended it, the other scenarios still run, and it is told
            mark, sentence = "broken", f"{type(error).__name__}: {error}"
    return _Outcome(scenario, mark, " ".join(sentence.split()), time.monotonic() - begun)


def _section(outcomes: Sequence[_Outcome]) -> str:
    rows = "\n".join(
        f"| {o.scenario.name} | {_cell(o.scenario.trouble)} | {_cell(o.scenario.promise)} | **{o.mark}**: "
        f"{_cell(o.sentence)} | {o.seconds:.0f} |"
        for o in outcomes
    )
    return f"""{_TITLE}

Made by `make chaos` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores ({platform.machine()}), Python \
{platform.python_version()}.

| scenario | trouble | promise | what was seen | s |
| --- | --- | --- | --- | --- |
{rows}

"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
