"""Whose recording a job may read, and whose it may remove."""

import pytest

from support.builders import a_job, a_spec, at
from whisperjob.deciding.decision import Observed, Policy
from whisperjob.deciding.rules import decide
from whisperjob.model.errors import JobCode
from whisperjob.model.phase import Phase
from whisperjob.model.resource import WhisperJob
from whisperjob.model.sources import may_read_source, owns_source

OWN = "uploads/default/talk/0011223344556677"


def of(key: str) -> WhisperJob:
    spec = a_spec()
    return a_job(spec=spec.model_copy(update={"source": spec.source.model_copy(update={"key": key})}))


@pytest.mark.parametrize(
    ("key", "prefix", "own", "read"),
    [
        pytest.param(OWN, "", True, True, id="its own"),
        pytest.param("uploads/default/other/0011223344556677", "imports/", False, False, id="another job's"),
        pytest.param("uploads/other/talk/0011223344556677", "imports/", False, False, id="another namespace's"),
        pytest.param("jobs/default/uid/optimize/1/output.mp3", "imports/", False, False, id="a result"),
        pytest.param("imports/talk.mp4", "imports/", False, True, id="imported"),
        pytest.param("imports/talk.mp4", "", False, False, id="nothing is imported"),
        pytest.param("imports/../uploads/default/other/00", "imports/", False, False, id="out of the prefix"),
        pytest.param("uploads/default/talk/../x", "", False, False, id="out of its own"),
        pytest.param("imports//talk.mp4", "imports/", False, False, id="an empty part"),
    ],
)
def test_whose_it_is(key: str, prefix: str, own: bool, read: bool) -> None:
    assert (owns_source(of(key)), may_read_source(of(key), prefix)) == (own, read)


def test_a_job_that_may_not_read_its_source_ends_before_it_begins() -> None:
    decision = decide(of("uploads/default/other/00"), Observed(), at(1), Policy(import_prefix="imports/"))
    assert decision.status is not None
    assert decision.status.error is not None
    assert (decision.status.phase, decision.status.error.code) == (Phase.ERROR, JobCode.SOURCE_REFUSED)
    assert "imports/" in decision.status.error.message
    assert decision.launch_attempt is None


def test_a_job_that_has_begun_goes_on() -> None:
    begun = of("imports/talk.mp4")
    begun = begun.model_copy(update={"status": begun.status.model_copy(update={"attempt": 1})})
    assert decide(begun, Observed(), at(1), Policy()).launch_attempt == 2
