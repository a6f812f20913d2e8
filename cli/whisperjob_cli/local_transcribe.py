"""`whisperjob local transcribe`: `transcribe` with a service of its own that ends with it."""

from functools import partial

from whisperjob_cli.options import expand_options, reported_errors
from whisperjob_cli.transcribe import TranscribeArguments, transcribe_files


@expand_options
def transcribe(arguments: TranscribeArguments) -> None:
    """Make transcripts without a server; only the recogniser is elsewhere.

    FILE and -o are those of `whisperjob transcribe`: files, folders, quoted globs and `-`; see there.

    Chunks and speakers come from the workers that `serve` runs. What is finished is stored in a folder
    `<name>.whisperjob` beside the output, so that an interrupted run can be started again and sends nothing twice.
    """
    import logging

    with reported_errors(arguments.as_json):
        from whisperjob_local.private_service import build_private_service
        from whisperjob_local.serve import log_to_stderr

        log_to_stderr(logging.ERROR)
        transcribe_files(arguments, partial(build_private_service, diarizes=arguments.needs_diarizer))
