"""Runs a program that reads untrusted bytes with as little power as it needs. It is an exec wrapper, not a module:

    python -I -S confine.py CONFINEMENT PROGRAM ARGUMENT…

CONFINEMENT is a `Confinement` (sandbox.py makes it). The wrapper gives up its user, sets resource limits and
no-new-privileges, restricts itself by Landlock, loads the seccomp program and then calls exec; the kernel kills the
program when its parent dies. It uses the standard library only and imports little, because it runs before every ffmpeg.
Workers import its Landlock for themselves.

Exit status: that of the program; 125 if it could not be confined, and 126 if it could not be started. Both are the
machine's fault, never the recording's.
"""

from __future__ import annotations

import binascii
import ctypes
import marshal
import os
import resource
import sys

TYPE_CHECKING = False
"""Importing `typing` takes longer than all the rest."""

NOT_CONFINED = 125
NOT_STARTED = 126

_KILLED = 128 + 9
_MAX_FILES = 256

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_SECCOMP = 22
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_SIGKILL, _SIGXFSZ = 9, 25
_SECCOMP_MODE_FILTER = 2
_INSTRUCTION_BYTES = 8
_CAP_DAC_READ_SEARCH = 2
_MAX_CAPABILITIES = 64
_CAPABILITY_VERSION_3 = 0x20080522

# The same numbers on every architecture, as for all system calls of recent years.
_LANDLOCK_CREATE_RULESET, _LANDLOCK_ADD_RULE, _LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_REG, MAKE_SYM = 1 << 4, 1 << 5, 1 << 7, 1 << 8, 1 << 12
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_FIRST_RIGHTS = (1 << 13) - 1
_RIGHTS_SINCE = ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV))
_NETWORK_SINCE, _NETWORK_RIGHTS = 4, 0b11  # to bind and to connect TCP sockets
_SCOPES_SINCE, _SCOPES = 6, 0b11  # abstract UNIX sockets and signals outside

Rules = list[tuple[str, int]]
"""Paths and what may be done there and below."""


if TYPE_CHECKING:
    from typing import TypedDict

    class Confinement(TypedDict):
        """What the wrapper shall do. Marshalled and in base64 it is the wrapper's first argument."""

        parent: int
        limits: list[tuple[str, int]]
        """Names of resource limits without RLIMIT_, and their values."""

        landlock: int
        """The version of Landlock to use; 0: none."""

        rules: Rules
        folders: list[str]
        """Folders that are given to the program's user."""

        user: int
        """User and group of the program; 0: those of this process."""

        seccomp: bytes


class _Program(ctypes.Structure):
    """The kernel's `struct sock_fprog`."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def pack(confinement: Confinement) -> str:
    """Returns the wrapper's first argument."""
    return binascii.b2a_base64(marshal.dumps(dict(confinement)), newline=False).decode()


def landlock_version() -> int:
    """Returns the version of the kernel's Landlock, 0 where there is none."""
    version: int = _libc().syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_CREATE_RULESET_VERSION)
    return max(0, version)


def build_ruleset(version: int, rules: Rules, *, network: bool) -> int:
    """Returns the descriptor of a Landlock ruleset that allows what the rules say. Raises OSError.

    Signals and abstract sockets reach no process outside. `network` leaves TCP as it is. A path that is not there is
    left out.
    """
    libc = _libc()
    handled = _FIRST_RIGHTS
    for since, right in _RIGHTS_SINCE:
        handled |= right if version >= since else 0
    values = [handled]
    if version >= _NETWORK_SINCE:
        values.append(0 if network else _NETWORK_RIGHTS)
    if version >= _SCOPES_SINCE:
        values.append(_SCOPES)
    attributes = (ctypes.c_uint64 * len(values))(*values)
    ruleset = _check(
        libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, ctypes.sizeof(attributes), 0), "landlock_create_ruleset"
    )
    for path, rights in rules:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        allowed = rights & handled if os.path.isdir(path) else rights & handled & _FILE_RIGHTS  # noqa: PTH112
        rule = allowed.to_bytes(8, sys.byteorder) + descriptor.to_bytes(4, sys.byteorder)
        if allowed:
            added = libc.syscall(_LANDLOCK_ADD_RULE, ruleset, _LANDLOCK_RULE_PATH_BENEATH, rule, 0)
            _check(added, f"landlock_add_rule {path}")
        os.close(descriptor)
    return ruleset


def die_with_parent(signal_number: int) -> None:
    """Lets the kernel send this process a signal when its parent dies; nothing where the kernel is not Linux."""
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal_number)


def forbid_new_privileges() -> None:
    """No program that this process starts gains privileges by exec."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def restrict_thread(ruleset: int) -> None:
    """Restricts the calling thread, and those it starts, to a ruleset. Raises OSError."""
    _check(_libc().syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")


def main(confinement: Confinement, program: str) -> None:
    """Confines this process. Raises OSError and ValueError."""
    version, user = confinement["landlock"], confinement["user"]
    ruleset = build_ruleset(version, confinement["rules"], network=False) if version else -1
    if os.geteuid() == 0:
        _drop_bounds()
    if user:
        for folder in confinement["folders"]:
            os.chown(folder, user, user)
        paths = [path for path, _ in confinement["rules"]]
        _become(user, read_everything=not _all_readable(user, [program, *paths]))
    else:
        _set_capabilities(0)
    die_with_parent(_SIGKILL)
    if os.getppid() != confinement["parent"]:  # the parent died before the call above
        sys.exit(_KILLED)
    _restore_default_of_sigxfsz()
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _MAX_FILES)
    for name, value in confinement["limits"]:
        _limit(getattr(resource, f"RLIMIT_{name}"), value)
    forbid_new_privileges()
    if version:
        restrict_thread(ruleset)
    if bpf := confinement["seccomp"]:
        filter_program = _Program(len(bpf) // _INSTRUCTION_BYTES, bpf)
        _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(filter_program))


def _drop_bounds() -> None:
    """No program gets a capability from its file. Inheriting the one of `_become` asks for it to stay in the bounds."""
    for number in range(_MAX_CAPABILITIES):
        if number != _CAP_DAC_READ_SEARCH:
            _libc().prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)  # a number that is none is an error of no interest


def _all_readable(user: int, paths: list[str]) -> bool:
    """Whether another user can read files and enter folders, which lie in folders of this one perhaps."""
    present = [path for path in paths if os.path.exists(path)]  # noqa: PTH110
    os.setegid(user)
    os.seteuid(user)
    try:
        return all(os.access(path, os.R_OK, effective_ids=True) for path in present)
    finally:
        os.seteuid(0)
        os.setegid(0)


def _become(user: int, *, read_everything: bool) -> None:
    """Becomes another user without groups and capabilities. Raises OSError.

    With `read_everything` it keeps CAP_DAC_READ_SEARCH: the recording and its folder may lie where only root comes.
    Landlock still refuses all that there is no rule for.
    """
    if read_everything:
        _prctl(_PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    if read_everything:
        _set_capabilities(1 << _CAP_DAC_READ_SEARCH)
        _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_READ_SEARCH)


def _set_capabilities(capabilities: int) -> None:
    """Leaves this process these capabilities, of those that it has: they are permitted, effective and inheritable."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(*[capabilities] * 3, 0, 0, 0)
    _check(_libc().capset(header, sets), "capset")


def _restore_default_of_sigxfsz() -> None:
    """Python ignores the signal, and the program would inherit that: too large a file would be an error of its own."""
    _libc().signal(_SIGXFSZ, None)


def _limit(number: int, value: int) -> None:
    """Sets soft and hard limit alike: ffmpeg takes the soft limit's SIGXCPU as a wish to end with half a result."""
    hard = resource.getrlimit(number)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(number, (value, value))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, *arguments: object) -> None:
    padded = (*arguments, 0, 0, 0, 0)[:4]
    _check(_libc().prctl(option, *padded), f"prctl {option}")


def _check(result: int, call: str) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{call}: {os.strerror(ctypes.get_errno())}")
    return result


if __name__ == "__main__":
    try:
        main(marshal.loads(binascii.a2b_base64(sys.argv[1])), sys.argv[2])  # noqa: S302  its parent made it
    except (OSError, ValueError, EOFError, TypeError, AttributeError, KeyError) as error:
        sys.stderr.write(f"not confined: {error}\n")
        sys.exit(NOT_CONFINED)
    try:
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  no shell is wanted
    except OSError as error:
        sys.stderr.write(f"not started: {error}\n")
        sys.exit(NOT_STARTED)
