"""Settings of an operator in a test: everything has a sensible default; name what matters."""

from typing import Any

from whisperjob_operator.operator_settings import OperatorSettings


def operator_settings(namespace: str, **changes: Any) -> OperatorSettings:
    fields: dict[str, Any] = {
        "namespace": namespace,
        "worker_image": "registry.example/whisperjob/optimizer:1",
        "worker_server": "http://operator:8081",
        "work_port": 0,
        "probe_port": 0,
        "shutdown_grace": "1s",
    }
    return OperatorSettings(**{**fields, **changes})
