"""Removes stored objects that no record needs any more: of ended jobs, of deleted jobs, and what a crash left."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from whisperjob.model import names
from whisperjob.model.phase import Phase
from whisperjob.model.resource import WhisperJob
from whisperjob.model.sources import owns_source
from whisperjob.model.stages import active_stage, from_status, is_retryable
from whisperjob.records.port import UnreadableRecord
from whisperjob.stores.port import ObjectStore, StoredObject


@dataclass(frozen=True, slots=True)
class NeededObjects:
    """The objects of one record that still have a reader: its source, if any, and what is below some prefixes."""

    source_key: str | None
    prefixes: tuple[str, ...]

    def includes(self, key: str) -> bool:
        """Whether this object is needed."""
        return key == self.source_key if names.upload_owner(key) else key.startswith(self.prefixes)


def needed_objects(job: WhisperJob, *, keep_source: bool) -> NeededObjects:
    """Returns which objects of a job are still needed. Pure."""
    ended = job.status.phase.terminal
    keeps = keep_source or not ended or is_retryable(job.status)
    source_key = job.spec.source.key if keeps else None
    if job.status.phase is Phase.COMPLETED and job.status.output:
        return NeededObjects(source_key, _retained_prefixes(job))
    return NeededObjects(source_key, () if ended else (names.job_prefix(job.metadata.namespace, job.uid),))


def _retained_prefixes(job: WhisperJob) -> tuple[str, ...]:
    """Returns the prefixes of what is retained of a completed job: its trim, its results, all of an active stage."""
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
    needed = needed_objects(job, keep_source=keep_source)
    for key in keys:
        if not needed.includes(key):
            store.delete(key)


def collect_deleted_job(store: ObjectStore, job: WhisperJob) -> None:
    """Removes every object of a deleted job. Blocks on the store; idempotent."""
    store.delete_prefix(names.job_prefix(job.metadata.namespace, job.uid))
    if owns_source(job):  # an imported source does not belong to the job
        store.delete(job.spec.source.key)


@dataclass(frozen=True, slots=True)
class Orphans:
    """The keys of objects that no record needs.

    `certain` are objects of jobs that have a record, which says that they are no longer needed. `doubtful` have no
    record that names them; those of jobs without any record are there with the uid or name of the job.
    """

    certain: tuple[str, ...]
    doubtful: Mapping[str, str | None]

    @property
    def strangers(self) -> frozenset[str]:
        """The uids and names of jobs without a record."""
        return frozenset(job for job in self.doubtful.values() if job is not None)


def find_orphans(
    objects: Iterable[StoredObject],
    jobs: Iterable[WhisperJob],
    quarantined: Collection[UnreadableRecord],
    namespace: str,
    *,
    keep_source: bool,
) -> Orphans:
    """Returns the objects that belong to no record, or that their record does not need. Pure.

    `objects` must have been listed before `jobs`: a result always has a record that is older than itself. An upload has
    none at first, because its record is created last. What belongs to a quarantined record is no orphan.
    """
    set_aside = {record.name for record in quarantined} | {record.uid for record in quarantined}
    by_name: dict[str, WhisperJob] = {}
    by_uid: dict[str, WhisperJob] = {}
    for job in jobs:
        by_name[job.name], by_uid[job.uid] = job, job

    @cache
    def needed_by(uid: str) -> NeededObjects:  # once for each job, which may have hundreds of objects
        return needed_objects(by_uid[uid], keep_source=keep_source)

    certain: list[str] = []
    doubtful: dict[str, str | None] = {}
    for stored in objects:
        if owner := names.upload_owner(stored.key):
            job_of = by_name.get(owner[1])
            known = job_of is not None and job_of.spec.source.key == stored.key
        elif owner := names.job_owner(stored.key):
            job_of = by_uid.get(owner[1])
            known = job_of is not None
        else:
            continue  # the key is not one of this software: it is not judged here
        if owner[0] != namespace or owner[1] in set_aside:
            continue
        if job_of is None or not known:
            doubtful[stored.key] = owner[1] if job_of is None else None
        elif not needed_by(job_of.uid).includes(stored.key):
            certain.append(stored.key)
    return Orphans(tuple(certain), doubtful)
