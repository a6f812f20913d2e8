"""Refuses uploads of a tenant that has used up its limits of a day."""

import math
from collections.abc import Sequence
from datetime import datetime

from whisperjob.deciding.daily_limits import audio_wait, bytes_wait
from whisperjob.model.clock import utc_now
from whisperjob.model.tenants import TenantLimits
from whisperjob.model.usage import Use, to_use
from whisperjob.stores.usage_ledger import read_deleted
from whisperjob_api.errors import HttpCode, RequestError
from whisperjob_api.listing import filter_by_tenant
from whisperjob_api.services import ApiServices


async def list_uses(services: ApiServices, tenant: str) -> list[Use]:
    """Returns what a tenant's jobs used, deleted ones among them; nothing if it has no limit of a day.

    Raises StoreError. The records are looked at before and after the ledger: one may move there meanwhile.
    """
    if not services.settings.limits_of(tenant).has_limit_of_a_day:
        return []
    before = _uses_in_records(services, tenant)
    deleted = await services.threads.run(read_deleted, services.store, services.records.namespace, tenant, utc_now())
    return list((before | {use.uid: use for use in deleted} | _uses_in_records(services, tenant)).values())


def _uses_in_records(services: ApiServices, tenant: str) -> dict[str, Use]:
    return {job.uid: to_use(job) for job in filter_by_tenant(services.cache.all(), tenant)}


def check_daily_limits(limits: TenantLimits, uses: Sequence[Use], coming_bytes: int, now: datetime) -> None:
    """Raises RequestError `daily_limit` if an upload would go beyond a limit of the tenant.

    `coming_bytes` are those of this upload and of the tenant's others that are in flight. Pure.
    """
    if limits.bytes_per_day is not None:
        wait = bytes_wait(uses, coming_bytes, limits.bytes_per_day, now)
        if wait is None:
            raise RequestError(
                HttpCode.DAILY_LIMIT, f"Your tenant may send {limits.bytes_per_day} bytes in 24 hours; this is more."
            )
        if wait:
            raise _used_up(f"{limits.bytes_per_day} bytes", wait.total_seconds())
    if limits.audio_hours_per_day is not None and (wait := audio_wait(uses, limits.audio_hours_per_day, now)):
        raise _used_up(f"{limits.audio_hours_per_day:g} hours of sound", wait.total_seconds())


def _used_up(what: str, wait_seconds: float) -> RequestError:
    return RequestError(
        HttpCode.DAILY_LIMIT,
        f"The {what} that your tenant may send in 24 hours are used up.",
        retry_after_seconds=math.ceil(wait_seconds),
    )
