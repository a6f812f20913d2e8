"""Skips a test module that imports this where the operator's last two dependencies are not installed yet."""

import pytest

for _name, _package in {
    "jwt": "PyJWT[crypto]",
    "cryptography": "PyJWT[crypto]",
    "prometheus_client": "prometheus-client",
}.items():
    pytest.importorskip(_name, reason=f"the operator needs {_package}, which is not installed")
