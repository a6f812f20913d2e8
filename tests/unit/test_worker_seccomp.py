"""The list of system calls names what there is, also on the architectures that these tests do not run on."""

import pytest

from whisperjob.worker.processes.seccomp_filter import ALLOWED

pyseccomp = pytest.importorskip("pyseccomp", reason="there is no libseccomp here", exc_type=ImportError)

ARCHITECTURES = (pyseccomp.Arch.X86_64, pyseccomp.Arch.AARCH64, pyseccomp.Arch.ARM, pyseccomp.Arch.X86)
NEEDED_TO_DECODE = {
    *("execve", "openat", "newfstatat", "fstat", "read", "write", "writev", "pread64", "lseek", "close", "pipe2"),
    *("mmap", "munmap", "mprotect", "mremap", "madvise", "brk", "futex", "set_robust_list", "rseq", "ppoll"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "clock_gettime", "clock_nanosleep", "exit", "exit_group"),
    *("sched_getaffinity", "getrandom", "ftruncate", "dup3", "faccessat", "readlinkat", "getdents64", "gettid"),
}


def known(architecture: int, name: str) -> bool:
    return bool(pyseccomp.resolve_syscall(architecture, name) >= 0)


@pytest.mark.parametrize("name", ALLOWED)
def test_a_name_is_that_of_a_system_call(name: str) -> None:
    assert any(known(architecture, name) for architecture in ARCHITECTURES)


@pytest.mark.parametrize("architecture", [pyseccomp.Arch.X86_64, pyseccomp.Arch.AARCH64])
def test_what_decoding_needs_is_allowed_by_the_name_it_has_there(architecture: int) -> None:
    assert {name for name in ALLOWED if known(architecture, name)} >= NEEDED_TO_DECODE
