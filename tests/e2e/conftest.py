import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "cluster: needs a real cluster: root, a cluster's programs, some minutes at first"
    )
