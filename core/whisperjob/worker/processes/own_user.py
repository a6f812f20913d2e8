"""The user that ffmpeg gets where root runs the worker: one that has no files and no other processes."""

import logging
import os
from functools import cache
from pathlib import Path

_FIRST_USER = 1_879_048_192
"""The users from here up to 2**31 are used by nobody, says systemd's list of users (UIDS-GIDS)."""

_NOBODY = 65_534
"""For namespaces that have no large numbers."""

_CHOWN, _SETGID, _SETUID = 0, 6, 7

_log = logging.getLogger(__name__)


def choose() -> int:
    """Returns the user, whose group has the same number: another one for each worker. 0: the worker's own user."""
    return _choose(os.getpid()) if os.geteuid() == 0 else 0


def take_back(path: Path) -> None:
    """Gives a file that a program has written to the user of this process."""
    if os.geteuid() == 0:
        os.chown(path, 0, os.getegid())


@cache
def _choose(pid: int) -> int:
    if not _may_change_users():
        _log.warning("ffmpeg runs as root, without capabilities: the worker may not change users")
        return 0
    mapped = [_mapped(Path(f"/proc/self/{kind}_map").read_text()) for kind in ("uid", "gid")]
    for user in (_FIRST_USER + pid, _NOBODY):
        if all(any(user in numbers for numbers in ranges) for ranges in mapped):
            return user
    _log.warning("ffmpeg runs as root, without capabilities: there is no other user in this namespace")
    return 0


def _may_change_users() -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            effective = int(line.split()[1], 16)
            return all(effective >> capability & 1 for capability in (_CHOWN, _SETGID, _SETUID))
    return False


def _mapped(table: str) -> list[range]:
    """Returns the numbers of users that exist in this namespace."""
    rows = (line.split() for line in table.splitlines())
    return [range(int(first), int(first) + int(count)) for first, _, count in rows]
