"""This machine's environment as a program under test may see it: nothing in it configures the program, or make."""

import os

_PREFIXES = ("WHISPERJOB_", "GROQ_", "MAKE", "MFLAGS")
_NAMES = frozenset({"DATA_DIR", "PORT", "FILE", "OUT", "URL", "KEY", "KUBECONFIG"})


def unconfigured() -> dict[str, str]:
    return {n: value for n, value in os.environ.items() if not n.startswith(_PREFIXES) and n not in _NAMES}
