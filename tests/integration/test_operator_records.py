"""KubernetesRecords against a real API server: the contract of all JobRecords, and what only a cluster does."""

import pytest
from kubernetes.aio import client

from integration.test_records_contract import *  # noqa: F403 - the contract's tests run here on other records
from whisperjob.records.port import JobRecords
from whisperjob_kubernetes.records import KubernetesRecords

pytest_plugins = ["support.kubernetes.fixtures"]


@pytest.fixture  # type: ignore[no-redef]  # in place of the contract's own
def records(kube_api: client.ApiClient, kube_namespace: str) -> JobRecords:
    return KubernetesRecords(kube_api, kube_namespace)
