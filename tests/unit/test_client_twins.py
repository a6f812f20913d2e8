"""The two clients are written twice, for there is no well-kept generator; here they are held to be the same."""

import inspect

import pytest

from whisperjob_client.async_client import AsyncClient
from whisperjob_client.sync_client import Client


def offered(client: type) -> dict[str, str]:
    """Its methods with their parameters, as they would be without an event loop."""
    methods = inspect.getmembers(client, inspect.isfunction)
    return {name: str(inspect.signature(method)) for name, method in methods if not name.startswith("_")}


def without_a_loop(signature: str) -> str:
    return signature.replace("AsyncIterator", "Iterator")


def test_both_offer_the_same() -> None:
    renamed = {("close" if name == "aclose" else name): value for name, value in offered(AsyncClient).items()}
    assert {name: without_a_loop(value) for name, value in renamed.items()} == offered(Client)


@pytest.mark.parametrize("name", sorted(offered(Client)))
def test_both_say_the_same_of_it(name: str) -> None:
    assert inspect.getdoc(getattr(AsyncClient, name)) == inspect.getdoc(getattr(Client, name))
