"""The uploads of one `whisperjob submit`."""

import json
import tempfile
from pathlib import Path

from whisperjob_cli.display import Display
from whisperjob_cli.exit_codes import exit_code, worst
from whisperjob_cli.input_files import Found
from whisperjob_cli.options import print_json
from whisperjob_cli.terminal import echo, echo_json
from whisperjob_client.errors import ClientError, StoppedError, UnauthorizedError, UnreachableError
from whisperjob_client.options import UploadOptions
from whisperjob_client.sync_client import Client


def submit_all(
    client: Client, found: Found, options: UploadOptions, idempotency_key: str | None, *, as_json: bool
) -> int:
    """Prints each job's id as soon as it is there, and returns the exit code of the worst upload.

    Raises the ClientError of a single recording, and one that concerns all of them.
    """
    several = len(found.recordings) > 1
    codes = []
    for number, recording in enumerate(found.recordings):
        if several and not as_json:
            echo(f"[{number + 1}/{len(found.recordings)}] {recording.shown}", err=True)
        try:
            with Display(quiet=as_json) as display:
                for sentence in found.notes if number == 0 else ():
                    display.note(sentence)
                with tempfile.TemporaryDirectory() as folder, recording.readable(Path(folder)) as file:
                    accepted = client.submit(file, options, idempotency_key=idempotency_key, on_sent=display.uploaded)
                display.warn(accepted.warnings)
        except (StoppedError, UnauthorizedError, UnreachableError):
            raise
        except ClientError as error:
            if not several:
                raise
            named = error.message.startswith(recording.shown)
            sentence = error.message if named else f"{recording.shown}: {error.message}"
            if as_json:
                echo_json(json.dumps({"error": sentence, "code": error.code}), err=True)
            else:
                echo(sentence, err=True)
            codes.append(exit_code(error))
        else:
            if as_json and several:
                echo_json(accepted.to_json())
            elif as_json:
                print_json(accepted)
            else:
                echo(accepted.job_id)
    return worst(codes)
