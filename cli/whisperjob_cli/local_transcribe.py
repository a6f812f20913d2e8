"""`whisperjob local transcribe`: the options of `transcribe`, and a service that lives as long as it does."""

from functools import partial
from typing import Any

from whisperjob_cli.options import reported_errors
from whisperjob_cli.transcribe import TranscribeArguments, run_transcription, with_options_from


@with_options_from(TranscribeArguments)
def transcribe(**asked: Any) -> None:
    """Make FILE a transcript on this machine alone, but for the speech recogniser; as `transcribe`, without a server.

    Chunks and speakers come from the workers that `serve` runs. What is done is kept in a folder `<name>.whisperjob`
    beside the output: broken off and started again, it goes on and sends nothing twice.
    """
    import logging

    wish = TranscribeArguments(**asked)
    with reported_errors(wish.as_json):
        from whisperjob_local.private_service import build_private_service
        from whisperjob_local.serve import log_to_stderr

        log_to_stderr(logging.ERROR)
        run_transcription(wish, partial(build_private_service, diarizes=wish.wants_speakers))
