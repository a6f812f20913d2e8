"""Which connection gives way to another."""

from ipaddress import ip_network

import pytest

from whisperjob_api.connection_shares import Activity, HeldConnection, choose_to_close, find_owner

IDLE, HEAD, STALLED, BUSY = Activity


def held(*connections: tuple[str | None, Activity, float]) -> list[HeldConnection]:
    return [HeldConnection(owner, activity, since) for owner, activity, since in connections]


@pytest.mark.parametrize(
    ("connections", "newcomer", "closed"),
    [
        pytest.param(
            [("b", IDLE, 0), ("a", IDLE, 2), ("a", IDLE, 1), ("a", IDLE, 3)], "b", 2, id="the address that holds most"
        ),
        pytest.param([("a", IDLE, 2), ("a", IDLE, 1), ("b", IDLE, 0)], "a", 1, id="its own, where it holds most"),
        pytest.param([("a", BUSY, 0), ("a", STALLED, 0), ("a", IDLE, 9)], "b", 2, id="idle before stalled"),
        pytest.param([("a", BUSY, 0), ("a", STALLED, 5), ("a", STALLED, 4)], "b", 2, id="the longest stall"),
        pytest.param([("a", HEAD, 1), ("a", STALLED, 0), ("a", HEAD, 0)], "b", 2, id="slow heads"),
        pytest.param([("a", STALLED, 0), ("b", IDLE, 0), ("a", BUSY, 0)], "c", 0, id="not the bystander"),
        pytest.param([("a", BUSY, 0), ("a", BUSY, 0), ("b", IDLE, 1)], "c", 2, id="nothing of the largest to close"),
        pytest.param([("a", STALLED, 0), ("a", STALLED, 0)], "a", None, id="not one's own requests"),
        pytest.param([("a", STALLED, 0), ("b", STALLED, 0)], "c", None, id="all hold the same"),
        pytest.param([("a", STALLED, 0), ("b", IDLE, 3), ("c", IDLE, 2)], "d", 2, id="idle ones even then"),
        pytest.param([("a", IDLE, 0), ("b", BUSY, 0), ("b", BUSY, 0)], "b", None, id="nobody with less gives way"),
        pytest.param([("a", BUSY, 0)] * 3, "b", None, id="never what is worked on"),
        pytest.param([(None, IDLE, 0), (None, IDLE, 1), ("a", IDLE, 2), ("a", BUSY, 2)], "b", 2, id="a proxy has one"),
        pytest.param([(None, BUSY, 0), (None, IDLE, 5), (None, STALLED, 1)], None, 1, id="only a proxy's"),
        pytest.param([("a", BUSY, 0), ("a", STALLED, 0)], None, 1, id="a proxy's newcomer"),
    ],
)
def test_which_connection_is_closed(
    connections: list[tuple[str | None, Activity, float]], newcomer: str | None, closed: int | None
) -> None:
    assert choose_to_close(held(*connections), newcomer) == closed


@pytest.mark.parametrize(
    ("peer", "owner"),
    [
        pytest.param("192.0.2.7", "192.0.2.7", id="IPv4"),
        pytest.param("::ffff:192.0.2.7", "192.0.2.7", id="IPv4 in IPv6"),
        pytest.param("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64", id="an IPv6 network"),
        pytest.param("10.1.2.3", None, id="a trusted proxy"),
        pytest.param(None, None, id="no address"),
    ],
)
def test_whose_share_a_connection_counts_in(peer: str | None, owner: str | None) -> None:
    assert find_owner(peer, (ip_network("10.0.0.0/8"),)) == owner
