"""`python -m whisperjob_operator`: settings from the environment, until SIGTERM."""

import asyncio
import logging
import signal
import sys

from pydantic import ValidationError

from whisperjob.model.errors import WhisperJobError
from whisperjob.model.settings import EngineSettings, StoreSettings, setting_at_fault
from whisperjob.stores.s3 import S3Store
from whisperjob_operator.service import serve
from whisperjob_operator.settings import OperatorSettings

log = logging.getLogger("whisperjob_operator")


async def _serve() -> None:
    store = StoreSettings()
    if not store.s3_endpoint:
        raise ValueError("WHISPERJOB_S3_ENDPOINT is not set: workers in other pods reach no folder of this one")
    stop = asyncio.Event()

    def on_signal() -> None:
        log.info("told to stop")
        stop.set()

    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, on_signal)
    await serve(OperatorSettings(), EngineSettings(), S3Store(store), stop)


def main() -> int:
    """0 after a signal, 1 where it cannot work, with one sentence."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("kopf").setLevel(logging.ERROR)  # its warnings are about what we chose
    problem = ""
    try:
        asyncio.run(_serve())
    except ValidationError as error:
        problem = setting_at_fault(error)
    except (WhisperJobError, OSError, ValueError) as error:
        problem = str(error)
    if problem:
        log.error("%s", problem)
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
