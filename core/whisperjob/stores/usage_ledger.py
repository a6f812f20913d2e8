"""The ledger of deleted jobs: what they used of their tenants' limits of a day.

A job's use is in its record. A tenant that deletes its jobs must not get their use back, so deleting one leaves an
empty object whose name says what it used. The store is the one place that every replica of the API and the engine
share, on one machine and in a cluster alike. Who deletes a record by kubectl leaves nothing here.
"""

import io
import logging
from datetime import datetime, timedelta

from whisperjob.model import names
from whisperjob.model.errors import StoreError
from whisperjob.model.resource import WhisperJob
from whisperjob.model.usage import Use, to_use
from whisperjob.stores.port import ObjectStore

log = logging.getLogger(__name__)

_RETAINED_AFTER = timedelta(days=7)
"""Entries stay for so long after they stopped counting: a clock that jumped must not give a day's use back."""


def note_deletion(store: ObjectStore, job: WhisperJob, now: datetime) -> None:
    """Adds a job that is about to be deleted, if it still counts. Blocks on the store; idempotent.

    A store that fails is logged: a full disk must not keep anybody from deleting.
    """
    use = to_use(job)
    if use.counts_until <= now:
        return
    try:
        store.put(names.usage_key(job.metadata.namespace, job.spec.tenant, use), io.BytesIO(b"\n"))
    except StoreError as error:
        log.warning("job %s: what it used is not noted, and no longer counts for its tenant: %s", job.name, error)


def read_deleted(store: ObjectStore, namespace: str, tenant: str, now: datetime) -> list[Use]:
    """Returns what a tenant's deleted jobs used, and removes what is long past. Blocks; raises StoreError."""
    uses: dict[str, Use] = {}
    for stored in list(store.list(names.usage_prefix(namespace, tenant))):
        use = names.parse_usage_key(stored.key)
        if use is None or use.counts_until + _RETAINED_AFTER <= now:
            store.delete(stored.key)
        elif use.counts_until > now:
            uses[use.uid] = use
    return list(uses.values())
