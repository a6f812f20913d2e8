"""The API as a process of its own, for what can only be measured from outside: `python -m support.api.process FOLDER`.

It prints its port and serves until its standard input closes.
"""

import asyncio
import sys
from pathlib import Path

import uvloop

from support.api.server import serving_api


async def main() -> None:
    async with serving_api(Path(sys.argv[1])) as server:
        print(server.port, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as the service does
        runner.run(main())
