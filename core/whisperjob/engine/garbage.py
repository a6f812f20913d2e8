"""Removes objects that nothing needs any more: of ended jobs, of deleted ones, and what a crash left behind."""

from collections.abc import Iterable
from datetime import timedelta

from whisperjob.deciding.view import active_stage
from whisperjob.model import names
from whisperjob.model.phase import Phase, Stage
from whisperjob.model.resource import WhisperJob
from whisperjob.model.sources import owns_source
from whisperjob.stores.port import ObjectStore, StoredObject


def is_needed(key: str, job: WhisperJob, *, keep_source: bool) -> bool:
    """Whether an object that belongs to this record has a reader left. Pure."""
    ended = job.status.phase.terminal
    if names.upload_owner(key):
        return key == job.spec.source.key and (keep_source or not ended)
    output = job.status.output
    if job.status.phase is Phase.COMPLETED and output:
        where = (job.metadata.namespace, job.uid)
        timeline = job.status.diarization.result_key if job.status.diarization else None
        kept = [
            output.manifest_key.removesuffix(names.MANIFEST_NAME),
            names.trim_key(*where),
            names.trim_prefix(*where),
        ]
        if active_stage(job) is Stage.DIARIZE:
            kept.append(names.stage_prefix(*where, Stage.DIARIZE))
        elif timeline:
            kept.append(timeline)
        return key.startswith(tuple(kept))
    return not ended


def collect_ended_job(store: ObjectStore, job: WhisperJob, *, keep_source: bool) -> None:
    """Removes the source of an ended job and whatever its attempts left but for the result. Blocks on the store."""
    keys = [job.spec.source.key] if owns_source(job) else []
    keys += [stored.key for stored in store.list(names.job_prefix(job.metadata.namespace, job.uid))]
    for key in keys:
        if not is_needed(key, job, keep_source=keep_source):
            store.delete(key)


def collect_deleted_job(store: ObjectStore, job: WhisperJob) -> None:
    """Removes every object of a deleted job. Blocks on the store; idempotent."""
    store.delete_prefix(names.job_prefix(job.metadata.namespace, job.uid))
    if owns_source(job):  # an imported source is not ours to delete, nor is somebody else's
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
    """Keys that belong to no record, or that their record does not need. Pure.

    `objects` must have been listed before `jobs`: a result always has a record that is older than itself. Not so an
    upload, whose record is created last: one without a record is kept until it is `upload_age` old.
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
            needed = True  # not a name of ours: not ours to judge
        if not needed:
            orphans.append(stored.key)
    return orphans
