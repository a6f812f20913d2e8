"""Objects to and from the API server, requests in terms of RBAC, and Events."""

import pytest

from support.builders import UID, a_job, a_spec, at
from whisperjob.deciding.decision import Event
from whisperjob.model.errors import RecordUnreadableError
from whisperjob.model.phase import ConditionType, Reason
from whisperjob.model.resource import Condition, Status
from whisperjob_kubernetes.connection import ClusterError, ClusterUnavailableError, to_cluster_error
from whisperjob_kubernetes.requests import ApiRequest, parse_request
from whisperjob_kubernetes.wire import build_merge_patch, build_object, to_record
from whisperjob_operator.event_recorder import build_event, event_name


def test_a_patch_takes_away_what_is_absent_now() -> None:
    condition = Condition(type=ConditionType.SCHEDULED, status="True", reason="Running", last_transition_time=at(0))
    patch = build_merge_patch(Status(attempt=1, conditions=(condition,)))
    assert patch["error"] is None
    assert patch["attempt"] == 1
    assert None not in patch["conditions"][0].values(), "a null inside a list would be stored"


def test_a_record_reads_back() -> None:
    job = a_job()
    body = build_object("default", job.name, job.spec)
    body["metadata"] |= {"uid": job.uid, "resourceVersion": "7", "creationTimestamp": "2026-02-12T10:00:00Z"}
    assert to_record(body) == job


def test_a_record_of_another_version_is_refused_with_its_name() -> None:
    body = build_object("default", "talk", a_spec())
    body["metadata"] |= {"uid": UID, "resourceVersion": "7", "creationTimestamp": "2026-02-12T10:00:00Z"}
    body["spec"]["profile"] = "from the future"
    with pytest.raises(RecordUnreadableError, match=r"'talk' cannot be read: spec.profile: .*"):
        to_record(body)


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/namespaces/n/pods", {}, ApiRequest("list", "", "pods")),
        ("GET", "/api/v1/namespaces/n/pods/p", {}, ApiRequest("get", "", "pods")),
        ("GET", "/apis/batch/v1/namespaces/n/jobs", {"watch": "true"}, ApiRequest("watch", "batch", "jobs")),
        ("POST", "/apis/batch/v1/namespaces/n/jobs", {}, ApiRequest("create", "batch", "jobs")),
        ("DELETE", "/apis/batch/v1/namespaces/n/jobs/j", {}, ApiRequest("delete", "batch", "jobs")),
        ("DELETE", "/apis/batch/v1/namespaces/n/jobs", {}, ApiRequest("deletecollection", "batch", "jobs")),
        ("PATCH", "/apis/g/v1/namespaces/n/w/x/status", {}, ApiRequest("patch", "g", "w/status")),
        ("GET", "/api/v1/namespaces", {}, ApiRequest("list", "", "namespaces")),
        ("GET", "/api/v1/namespaces/n", {}, ApiRequest("get", "", "namespaces")),
        ("GET", "/openid/v1/jwks", {}, ApiRequest("get", "", "/openid/v1/jwks")),
        ("GET", "/apis/batch/v1", {}, ApiRequest("get", "", "/apis/batch/v1")),
    ],
)
def test_requests_in_the_words_of_rbac(method: str, path: str, query: dict[str, str], expected: ApiRequest) -> None:
    assert parse_request(method, path, query) == expected


@pytest.mark.parametrize("code", [401, 403, 429, 500, 503])
def test_some_refusals_pass(code: int) -> None:
    assert isinstance(to_cluster_error(code, b""), ClusterUnavailableError)


def test_others_say_what_is_wrong() -> None:
    error = to_cluster_error(422, b'{"reason": "Invalid", "message": "spec.x is wrong"}')
    assert isinstance(error, ClusterError)
    assert (error.code, error.reason, str(error)) == (422, "Invalid", "spec.x is wrong")


def test_the_same_thing_told_twice_has_one_name() -> None:
    first, other = Event(Reason.RETRYING, "Attempt 1 failed"), Event(Reason.RETRYING, "Attempt 2 failed")
    assert event_name(a_job(), first) == event_name(a_job(version=99), first)
    assert event_name(a_job(), first) != event_name(a_job(), other)
    assert event_name(a_job(), first) != event_name(a_job(uid="another"), first)


def test_an_event_says_what_it_is_about() -> None:
    event = build_event(a_job(), Event(Reason.RETRYING, "x" * 2000, warning=True), "operator-1", at(3))
    assert event.regarding is not None
    assert (event.regarding.kind, event.regarding.name, event.regarding.uid) == ("WhisperJob", "talk", a_job().uid)
    assert (event.type, event.reason, event.event_time) == ("Warning", "Retrying", at(3))
    assert event.note is not None
    assert len(event.note) == 1024
