"""A bucket of tokens, and the header fields that tell what is left in it."""

import pytest
from starlette.datastructures import MutableHeaders

from whisperjob_api.rate_limit_headers import Quota, add_quota
from whisperjob_api.request_rates import TokenBucket


def taken(bucket: TokenBucket, times: list[float]) -> list[bool]:
    return [bucket.take(now) == 0 for now in times]


@pytest.mark.parametrize(
    ("per_second", "times", "allowed"),
    [
        pytest.param(0.3, [0, 0, 0, 0], [True, True, True, False], id="a window's requests at once"),
        pytest.param(0.3, [0, 0, 0, 3, 4], [True, True, True, False, True], id="then one after the other"),
        pytest.param(0.3, [0, 0, 0, 1000, 1000, 1000, 1000], [True] * 6 + [False], id="no more than a window's"),
        pytest.param(0.01, [0, 50, 101], [True, False, True], id="one in a hundred seconds"),
    ],
)
def test_who_may_send_when(per_second: float, times: list[float], allowed: list[bool]) -> None:
    assert taken(TokenBucket.full(per_second, times[0]), times) == allowed


def test_the_wait_is_as_long_as_it_must_be() -> None:
    bucket = TokenBucket.full(0.25, 0)
    while not (wait := bucket.take(0)):
        pass
    assert bucket.take(wait - 0.01) > 0
    assert bucket.take(wait + 0.01) == 0


def test_quotas_are_lists_of_structured_fields() -> None:
    bucket = TokenBucket.full(5, 0)
    bucket.take(0)
    headers = MutableHeaders()
    add_quota(headers, bucket.to_quota())
    assert headers["ratelimit-policy"] == '"requests";q=50;w=10'
    assert headers["ratelimit"] == '"requests";r=49;t=1'
    add_quota(headers, Quota("bytes", 1000, 86_400, -5, 60, unit="content-bytes"))
    assert headers["ratelimit-policy"] == '"requests";q=50;w=10, "bytes";q=1000;w=86400;qu="content-bytes"'
    assert headers["ratelimit"] == '"requests";r=49;t=1, "bytes";r=0;t=60'
