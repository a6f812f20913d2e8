"""Pages and counts of jobs."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import T0, a_job, a_spec, at
from whisperjob.model.phase import Phase
from whisperjob.model.resource import WhisperJob
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.listing import build_stats, filter_by_tenant, take_page


def jobs_made_at(*seconds: float) -> list[WhisperJob]:
    return [a_job(name=f"job-{index}", created_at=at(moment)) for index, moment in enumerate(seconds)]


def names(jobs: list[WhisperJob]) -> list[str]:
    return [job.name for job in jobs]


def test_newest_first_then_by_name() -> None:
    found, cursor = take_page(jobs_made_at(1, 3, 2, 3), phase=None, limit=10, cursor=None)
    assert names(found) == ["job-1", "job-3", "job-2", "job-0"]
    assert cursor is None


@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 7))
def test_pages_join_to_the_whole(moments: list[int], limit: int) -> None:
    jobs = jobs_made_at(*moments)
    whole, _ = take_page(jobs, phase=None, limit=1000, cursor=None)
    joined: list[WhisperJob] = []
    cursor: str | None = None
    while True:
        found, cursor = take_page(jobs, phase=None, limit=limit, cursor=cursor)
        joined += found
        if cursor is None:
            break
        assert len(found) == limit
    assert joined == whole


def test_new_and_deleted_jobs_do_not_move_the_next_page() -> None:
    jobs = jobs_made_at(1, 2, 3, 4)
    first, cursor = take_page(jobs, phase=None, limit=2, cursor=None)
    newer = a_job(name="newer", created_at=T0 + timedelta(hours=1))
    left = [job for job in jobs if job.name != first[-1].name]
    second, _ = take_page([newer, *left], phase=None, limit=2, cursor=cursor)
    assert names(first + second) == ["job-3", "job-2", "job-1", "job-0"]


def test_a_page_can_be_filtered_by_state() -> None:
    jobs = [a_job(name="a"), a_job(name="b", phase=Phase.PROCESSING)]
    assert names(take_page(jobs, phase=Phase.PROCESSING, limit=10, cursor=None)[0]) == ["b"]


@pytest.mark.parametrize("cursor", ["", "x", "!!", "bm9wZQ", "LTEvLi4", "A" * 5000, "ü", "MS8"])
def test_a_foreign_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(RequestError) as caught:
        take_page([], phase=None, limit=10, cursor=cursor)
    assert caught.value.code is HttpCode.INVALID_REQUEST


def test_stats_name_the_busiest_clients_first() -> None:
    jobs = [
        a_job(name=f"{ip}-{index}".replace(".", "-"), spec=a_spec(client_ip=ip))
        for ip, count in (("192.0.2.2", 1), ("192.0.2.1", 1), ("192.0.2.3", 2))
        for index in range(count)
    ]
    seen = build_stats([*jobs, a_job(name="unknown", spec=a_spec(client_ip=None))])
    assert [(client.ip, client.requests) for client in seen.top_clients] == [
        ("192.0.2.3", 2),
        ("192.0.2.1", 1),
        ("192.0.2.2", 1),
    ]
    assert (seen.total_jobs, seen.queued) == (5, 5)


def test_tenants_see_their_own() -> None:
    jobs = [a_job(name="a", spec=a_spec(tenant="alice")), a_job(name="b", spec=a_spec(tenant="bob"))]
    assert names(filter_by_tenant(jobs, "bob")) == ["b"]
