"""The command line: `main` is the `whisperjob` command, `python -m whisperjob_client` has the client's part of it."""
