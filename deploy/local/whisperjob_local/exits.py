"""Exit codes of the `whisperjob` command; 0 is success, 2 is wrong usage (typer's)."""

FAILED = 1
INTERRUPTED = 130
