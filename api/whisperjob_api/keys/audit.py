"""The audit log: who did what to which job, from where, and what came of it. One logger, one JSON object a line.

A key appears by its id alone, and a text that a client made up does not appear at all.
"""

import json
import logging
import time
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from whisperjob_api.keys.keyring import ApiKey

audit_log = logging.getLogger("whisperjob.audit")

REFUSALS_A_MINUTE: Final = 120
"""Lines about refused keys in a minute, from all addresses together: strangers must not fill the disk with them."""


class Action(StrEnum):
    """What is recorded. Reading is not."""

    SUBMIT = "submit"
    DIARIZE = "diarize"
    TRIM = "trim"
    RETRY = "retry"
    DELETE = "delete"
    REFUSE_KEY = "refuse_key"
    ADD_KEY = "add_key"
    CHANGE_KEY = "change_key"
    REMOVE_KEY = "remove_key"


AUDITED_ROUTES: Final = {
    ("POST", "/whisper_optimize"): Action.SUBMIT,
    ("POST", "/diarize"): Action.DIARIZE,
    ("POST", "/demo_trim"): Action.TRIM,
    ("DELETE", "/job/{job_id}"): Action.DELETE,
    ("POST", "/job/{job_id}/retry"): Action.RETRY,
}


def log_action(
    action: Action,
    outcome: str,
    *,
    key: ApiKey | None = None,
    job: str | None = None,
    address: str | None = None,
    status: int | None = None,
    left_out: int = 0,
) -> None:
    """Writes a line. `outcome` is a word or an error's code; fields that are None are left out."""
    fields = {
        "action": action.value,
        "outcome": outcome,
        "key": key and key.id,
        "tenant": key and key.tenant,
        "job": job,
        "address": address,
        "status": status,
        "leftOut": left_out or None,
    }
    audit_log.info("%s", json.dumps({name: value for name, value in fields.items() if value is not None}))


def log_key_changes(before: Iterable[ApiKey], after: Iterable[ApiKey]) -> None:
    """Writes a line for each key that was added, changed (revoked, for instance) or removed."""
    old, new = ({key.id: key for key in keys} for keys in (before, after))
    for key_id in sorted(old.keys() | new.keys()):
        if key_id not in old:
            log_action(Action.ADD_KEY, "done", key=new[key_id])
        elif key_id not in new:
            log_action(Action.REMOVE_KEY, "done", key=old[key_id])
        elif old[key_id] != new[key_id]:
            log_action(Action.CHANGE_KEY, "revoked" if new[key_id].revoked_at else "done", key=new[key_id])


class RefusalLog:
    """Writes lines about refused keys, at most `REFUSALS_A_MINUTE`; the next line says how many were left out."""

    def __init__(self) -> None:
        self._since = float("-inf")
        self._lines = 0
        self._left_out = 0

    def write(
        self,
        outcome: str,
        address: str | None,
        status: int,
        *,
        action: Action = Action.REFUSE_KEY,
        key: ApiKey | None = None,
        job: str | None = None,
    ) -> None:
        """Writes a line, or counts it as left out. `action` is what the key was to do, where that is recorded."""
        now = time.monotonic()
        if now - self._since >= 60:
            self._since, self._lines = now, 0
        if self._lines >= REFUSALS_A_MINUTE:
            self._left_out += 1
            return
        self._lines += 1
        log_action(action, outcome, key=key, job=job, address=address, status=status, left_out=self._left_out)
        self._left_out = 0
