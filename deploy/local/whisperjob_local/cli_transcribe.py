"""`whisperjob local transcribe`: the options of `transcribe`, and a service that lives as long as it does."""

from functools import partial
from typing import Any

from whisperjob_client.cli_options import told
from whisperjob_client.cli_transcribe import Asked, carry_out, with_options_of


@with_options_of(Asked)
def transcribe(**asked: Any) -> None:
    """Make FILE a transcript on this machine alone, but for the speech recogniser; as `transcribe`, without a server.

    Chunks and speakers come from the workers that `serve` runs. What is done is kept in a folder `<name>.whisperjob`
    beside the output: broken off and started again, it goes on and sends nothing twice.
    """
    import logging

    wish = Asked(**asked)
    with told(wish.as_json):
        from whisperjob_local.serve import log_to_stderr
        from whisperjob_local.transcribing import private_service

        log_to_stderr(logging.ERROR)
        carry_out(wish, partial(private_service, diarizes=wish.wants_speakers))
