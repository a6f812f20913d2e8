"""Advertises a GPU as a device plugin would: the scheduler counts it, and nothing can compute on it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.kube import Kube
from cluster.node_config import NODE

GPU = "nvidia.com/gpu"


@contextmanager
def advertised_gpu(cluster: Kube) -> Iterator[None]:
    """The only node has one GPU while the block lasts."""
    _advertise(cluster, "1")
    try:
        yield
    finally:
        _advertise(cluster, None)


def _advertise(cluster: Kube, count: str | None) -> None:
    status = {"status": {"capacity": {GPU: count}, "allocatable": {GPU: count}}}
    cluster.kubectl("patch", "node", NODE, "--subresource=status", "--type=merge", "-p", json.dumps(status))
