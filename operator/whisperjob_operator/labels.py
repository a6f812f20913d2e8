"""The labels of the Jobs and Pods of workers: job_manifest.py sets them, worker_state.py and selectors read them."""

from typing import Final

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "whisperjob-operator"
NAME: Final = "app.kubernetes.io/name"
INSTANCE: Final = "app.kubernetes.io/instance"
COMPONENT: Final = "app.kubernetes.io/component"
JOB: Final = "whisperjob.dev/job"
STAGE: Final = "whisperjob.dev/stage"
ATTEMPT: Final = "whisperjob.dev/attempt"
QUEUE: Final = "kueue.x-k8s.io/queue-name"

SELECTOR: Final = f"{MANAGED_BY}={MANAGER}"
"""Selects the Jobs and Pods of all workers in a namespace."""
