"""The limits of tenants, as the settings give them."""

from typing import Any

import pytest
from pydantic import ValidationError

from whisperjob.model.settings import ApiSettings, EngineSettings, setting_at_fault


def test_limits_are_read_from_one_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"alice": {"weight": 2, "runningJobs": 4}, "*": {"requestsPerSecond": 0.5}}'
    monkeypatch.setenv("WHISPERJOB_TENANTS", text)
    for settings in (ApiSettings(), EngineSettings()):
        assert settings.limits_of("alice").running_jobs == 4
        assert settings.limits_of("alice").requests_per_second is None
        assert settings.limits_of("bob").requests_per_second == 0.5
        assert (settings.weight_of("alice"), settings.weight_of("bob")) == (2, 1)


def test_without_limits_every_tenant_is_equal_and_free() -> None:
    limits = ApiSettings().limits_of("anybody")
    assert limits.weight == 1
    assert set(limits.model_dump(exclude={"weight"}).values()) == {None}


@pytest.mark.parametrize(
    "tenants",
    [
        pytest.param({"Alice": {}}, id="no tenant's name"),
        pytest.param({"alice": {"wieght": 2}}, id="an unknown limit"),
        pytest.param({"alice": {"weight": 0}}, id="no weight at all"),
        pytest.param({"alice": {"weight": float("nan")}}, id="no number"),
        pytest.param("{alice: 2}", id="no JSON"),
        pytest.param('["alice"]', id="no object"),
        pytest.param({"alice": {"runningJobs": 0}}, id="a tenant that may nothing"),
        pytest.param({"alice": {"requestsPerSecond": float("inf")}}, id="no end"),
    ],
)
def test_limits_that_make_no_sense_are_refused(tenants: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        ApiSettings(tenants=tenants)
    assert setting_at_fault(caught.value).startswith("The setting WHISPERJOB_TENANTS is wrong: ")
