"""Which address is trusted, and with which precision it is stored."""

from ipaddress import ip_network

import pytest

from whisperjob.model.settings import ClientAddress
from whisperjob_api.client_address import resolve_client_address

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"), ip_network("127.0.0.1/32"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "seen"),
    [
        pytest.param("198.51.100.7", [], "198.51.100.7", id="direct"),
        pytest.param("198.51.100.7", ["203.0.113.9"], "198.51.100.7", id="a stranger's header is not trusted"),
        pytest.param("10.1.1.1", ["203.0.113.9"], "203.0.113.9", id="one proxy"),
        pytest.param("10.1.1.1", ["203.0.113.9, 10.2.2.2"], "203.0.113.9", id="two proxies"),
        pytest.param("10.1.1.1", ["6.6.6.6, 203.0.113.9"], "203.0.113.9", id="what the client made up is left of it"),
        pytest.param("10.1.1.1", ["6.6.6.6", "203.0.113.9"], "203.0.113.9", id="two headers"),
        pytest.param("10.1.1.1", [], "10.1.1.1", id="a proxy itself"),
        pytest.param("10.1.1.1", ["10.9.9.9"], "10.9.9.9", id="a client inside"),
        pytest.param("10.1.1.1", ["203.0.113.9, unknown"], "10.1.1.1", id="a hop that is no address ends the walk"),
        pytest.param("10.1.1.1", ["203.0.113.9:4711"], "203.0.113.9", id="with port"),
        pytest.param("fd00::1", ["[2001:db8::5]:443"], "2001:db8::5", id="IPv6 with port"),
        pytest.param("::ffff:10.1.1.1", ["2001:db8::5"], "2001:db8::5", id="IPv4 inside IPv6"),
        pytest.param("fe80::1%eth0", [], "fe80::1", id="scope"),
        pytest.param("testclient", [], None, id="no address"),
        pytest.param(None, ["203.0.113.9"], None, id="a socket file"),
    ],
)
def test_the_nearest_hop_that_is_no_trusted_proxy_is_the_client(
    peer: str | None, forwarded: list[str], seen: str | None
) -> None:
    assert resolve_client_address(peer, forwarded, PROXIES, ClientAddress.FULL) == seen


@pytest.mark.parametrize(
    ("peer", "precision", "seen"),
    [
        ("198.51.100.7", ClientAddress.TRUNCATED, "198.51.100.0"),
        ("2001:db8:1:2:3::4", ClientAddress.TRUNCATED, "2001:db8:1::"),
        ("198.51.100.7", ClientAddress.NONE, None),
        ("2001:DB8::0:1", ClientAddress.FULL, "2001:db8::1"),
    ],
)
def test_only_the_allowed_precision_is_stored(peer: str, precision: ClientAddress, seen: str | None) -> None:
    assert resolve_client_address(peer, [], (), precision) == seen
