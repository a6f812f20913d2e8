"""Removes stored objects that no record needs any more: of ended jobs, of deleted jobs, and what a crash left."""

from collections.abc import Iterable
from datetime import timedelta

from whisperjob.model import names
from whisperjob.model.phase import Phase
from whisperjob.model.resource import WhisperJob
from whisperjob.model.sources import owns_source
from whisperjob.model.stages import active_stage, from_status
from whisperjob.stores.port import ObjectStore, StoredObject


def is_needed(key: str, job: WhisperJob, *, keep_source: bool) -> bool:
    """Whether an object that belongs to this record still has a reader. Pure."""
    ended = job.status.phase.terminal
    if names.upload_owner(key):
        return key == job.spec.source.key and (keep_source or not ended)
    if job.status.phase is Phase.COMPLETED and job.status.output:
        return key.startswith(_retained_prefixes(job))
    return not ended


def _retained_prefixes(job: WhisperJob) -> tuple[str, ...]:
    """Returns the prefixes of what a completed job keeps: its trim, its results, and all of a stage that is active."""
    namespace, uid, active = job.metadata.namespace, job.uid, active_stage(job)
    retained = [names.trim_key(namespace, uid), names.trim_prefix(namespace, uid)]
    for stage, state in from_status(job.status).stages.items():
        if stage is not active and state.outcome and (prefix := state.outcome.retained_prefix):
            retained.append(prefix)
    if active is not None:
        retained.append(names.stage_prefix(namespace, uid, active))
    return tuple(retained)


def collect_ended_job(store: ObjectStore, job: WhisperJob, *, keep_source: bool) -> None:
    """Removes the source of an ended job, and what its attempts left besides the results. Blocks on the store."""
    keys = [job.spec.source.key] if owns_source(job) else []
    keys += [stored.key for stored in store.list(names.job_prefix(job.metadata.namespace, job.uid))]
    for key in keys:
        if not is_needed(key, job, keep_source=keep_source):
            store.delete(key)


def collect_deleted_job(store: ObjectStore, job: WhisperJob) -> None:
    """Removes every object of a deleted job. Blocks on the store; idempotent."""
    store.delete_prefix(names.job_prefix(job.metadata.namespace, job.uid))
    if owns_source(job):  # an imported source belongs to somebody else
        store.delete(job.spec.source.key)


def find_orphans(
    objects: Iterable[StoredObject],
    jobs: Iterable[WhisperJob],
    namespace: str,
    *,
    keep_source: bool,
    now: float,
    upload_age: timedelta,
) -> list[str]:
    """Returns the keys that belong to no record, or that their record does not need. Pure.

    `objects` must have been listed before `jobs`: a result always has a record that is older than itself. An upload has
    none at first, because its record is created last: without a record it is kept until it is `upload_age` old.
    """
    by_name: dict[str, WhisperJob] = {}
    by_uid: dict[str, WhisperJob] = {}
    for job in jobs:
        by_name[job.name], by_uid[job.uid] = job, job
    orphans = []
    for stored in objects:
        if owner := names.upload_owner(stored.key):
            if owner[0] != namespace:
                continue
            job_of = by_name.get(owner[1])
            known = job_of is not None and job_of.spec.source.key == stored.key
            fresh = now - stored.modified_at < upload_age.total_seconds()
            needed = is_needed(stored.key, job_of, keep_source=keep_source) if known and job_of else fresh
        elif owner := names.job_owner(stored.key):
            if owner[0] != namespace:
                continue
            job_of = by_uid.get(owner[1])
            needed = job_of is not None and is_needed(stored.key, job_of, keep_source=keep_source)
        else:
            needed = True  # the key is not one of this software: it is not judged here
        if not needed:
            orphans.append(stored.key)
    return orphans
