"""The client without an event loop is generated from the one with it, and both offer the same."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from whisperjob_client.async_client import AsyncClient
from whisperjob_client.sync_client import Client

GENERATOR = Path(__file__).resolve().parents[2] / "client" / "generate_sync.py"


def offered(client: type) -> dict[str, str]:
    """Returns its methods with their parameters, as they would be without an event loop."""
    methods = inspect.getmembers(client, inspect.isfunction)
    return {name: str(inspect.signature(method)) for name, method in methods if not name.startswith("_")}


def without_a_loop(signature: str) -> str:
    return signature.replace("AsyncIterator", "Iterator")


def test_the_generated_client_is_what_the_generator_makes() -> None:
    done = subprocess.run([sys.executable, str(GENERATOR), "--check"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_both_offer_the_same() -> None:
    renamed = {("close" if name == "aclose" else name): value for name, value in offered(AsyncClient).items()}
    assert {name: without_a_loop(value) for name, value in renamed.items()} == offered(Client)


@pytest.mark.parametrize("name", sorted(offered(Client)))
def test_both_have_the_same_documentation(name: str) -> None:
    assert inspect.getdoc(getattr(AsyncClient, name)) == inspect.getdoc(getattr(Client, name))
