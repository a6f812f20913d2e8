"""The command line: `main` is the `whisperjob` command, `__main__` the commands of the client alone."""
