"""`python -m whisperjob_client` runs the client's commands, which live in `whisperjob_cli`."""

import runpy

runpy.run_module("whisperjob_cli", run_name="__main__", alter_sys=True)
