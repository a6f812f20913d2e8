"""The quick half of `make chaos`: in every kind of trouble, the service keeps its promises."""

from pathlib import Path

import pytest

from chaos.registry import SCENARIOS
from chaos.scenario import NotRunError, Scenario


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_promise_holds(scenario: Scenario, tmp_path: Path) -> None:
    try:
        assert scenario.run(tmp_path, False)
    except NotRunError as error:
        pytest.skip(str(error))
