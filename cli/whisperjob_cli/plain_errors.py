"""What the commands that need the server's parts do with errors."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from whisperjob.model.errors import WhisperJobError
from whisperjob_cli.exit_codes import FAILED, INTERRUPTED
from whisperjob_cli.options import describe_os_error
from whisperjob_cli.standard_streams import discard_output
from whisperjob_cli.terminal import echo


@contextmanager
def plain_errors() -> Iterator[None]:
    """Ends the program with one sentence for errors that are no bug. A bug shows its traceback."""
    from whisperjob_client import ClientError

    try:
        yield
    except (WhisperJobError, ClientError) as error:
        _fail(str(error))
    except BrokenPipeError:
        discard_output()
        sys.exit(FAILED)
    except OSError as error:
        _fail(describe_os_error(error))
    except _interruptions():
        echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)


def _interruptions() -> tuple[type[BaseException], ...]:
    """Returns what an interruption raises. It is called only after something was raised, because the import of asyncio
    takes longer than all the others together."""
    import asyncio

    return KeyboardInterrupt, asyncio.CancelledError


def _fail(sentence: str) -> NoReturn:
    echo(sentence, err=True)
    sys.exit(FAILED)
