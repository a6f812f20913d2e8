"""Uploads as raw bytes, and what the service stored of them."""

from support.api.raw_http import FORM_TYPE, Answer, connected, upload_head
from support.api.server import ApiServer
from whisperjob.model.resource import WhisperJob

SOUND = bytes(range(256)) * 800
"""200 KiB that hold every byte, line ends and dashes among them."""


async def upload(
    server: ApiServer, body: bytes, headers: str = "", *, path: str = "/whisper_optimize", content_type: str = FORM_TYPE
) -> Answer:
    async with connected(server.port) as client:
        await client.send(upload_head(len(body), headers=headers, path=path, content_type=content_type) + body)
        return await client.answer()


async def the_job(server: ApiServer) -> WhisperJob:
    (name,) = await server.jobs()
    return await server.records.get(name)


async def nothing_is_stored(server: ApiServer) -> bool:
    await server.settled()
    return not server.objects() and not await server.jobs()
