"""Optimises many recordings at once: python many.py *.mp4"""

import asyncio
import os
import sys
from pathlib import Path

from whisperjob_client import AsyncClient, ClientError, Connection

AT_ONCE = 4


async def optimize(client: AsyncClient, slots: asyncio.Semaphore, file: Path) -> None:
    async with slots:
        try:
            accepted = await client.submit(file)
            job = await client.wait(accepted.job_id)
            for chunk in job.chunks:
                print(await client.download(chunk, Path("out") / file.stem))
        except ClientError as error:
            print(f"{file}: {error}", file=sys.stderr)


async def main() -> None:
    connection = Connection(os.environ["WHISPERJOB_URL"], os.environ["WHISPERJOB_API_KEY"])
    slots = asyncio.Semaphore(AT_ONCE)
    async with AsyncClient(connection) as client, asyncio.TaskGroup() as tasks:
        for name in sys.argv[1:]:
            tasks.create_task(optimize(client, slots, Path(name)))


asyncio.run(main())
