"""`python -m whisperjob_operator`: runs the operator with settings from the environment until SIGTERM."""

import asyncio
import logging
import sys

from whisperjob.model.settings import EngineSettings
from whisperjob.serving.program import open_shared_store, run_program
from whisperjob.serving.signals import on_stop_signals
from whisperjob_operator.operator_settings import OperatorSettings
from whisperjob_operator.service import serve

log = logging.getLogger("whisperjob_operator")


async def _serve() -> None:
    store = open_shared_store()
    stop = asyncio.Event()

    def on_signal() -> None:
        log.info("stopping: a stop signal was received")
        stop.set()

    on_stop_signals(on_signal)
    await serve(OperatorSettings(), EngineSettings(), store, stop)


def main() -> int:
    logging.getLogger("kopf").setLevel(logging.ERROR)  # its warnings are about settings chosen on purpose
    return run_program(log, _serve)


if __name__ == "__main__":
    sys.exit(main())
