"""Numbers as form builders, spreadsheets and JavaScript send them: as text, blank, with a point."""

from pathlib import Path
from typing import Any

import pytest

from support.api.raw_http import form, part
from support.api.server import serving_api
from support.api.uploads import SOUND, the_job, upload

AS_60 = ["60", " 60 ", "60.0", "+60", "60.00\t"]
NONSENSE = ["sixty", "6O", "60,0", "60 s", "1e2", "0x3C", "nan", "true", "null", "undefined", "60.5"]


@pytest.mark.parametrize("text", AS_60)
async def test_a_number_in_a_form(tmp_path: Path, text: str) -> None:
    async with serving_api(tmp_path) as server:
        body = form(part("file", SOUND), part("maxChunkSeconds", text.encode()), part("sampleRate", b" "))
        assert (await upload(server, body)).status == 202
        assert (await the_job(server)).spec.max_chunk_seconds == 60


async def test_nonsense_in_a_form_is_named(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        for text in NONSENSE:
            answer = await upload(server, form(part("file", SOUND), part("maxChunkSeconds", text.encode())))
            assert (answer.status, answer.code) == (422, "invalid_request"), text
            assert answer.json["error"].startswith("maxChunkSeconds: "), text


@pytest.mark.parametrize(
    ("count", "seen"),
    [
        *[(text, 3) for text in ("3", " 3 ", "3.0", 3, 3.0)],
        *[(blank, None) for blank in ("", " ", "0", 0, None)],
    ],
)
async def test_a_number_of_speakers_in_json(tmp_path: Path, count: Any, seen: int | None) -> None:
    async with serving_api(tmp_path, diarizes=True) as server:
        job = await server.completed(16_000)
        answer = await server.client.post("/diarize", json={"jobId": f" {job.name.upper()} ", "numSpeakers": count})
        assert answer.status_code == 202
        diarization = (await server.records.get(job.name)).spec.diarization
        assert diarization is not None
        assert diarization.num_speakers == seen


@pytest.mark.parametrize(("seconds", "echoed"), [("1", 1), ("0.5", 0.5), (" 1.0 ", 1), (1.0, 1), (0.5, 0.5)])
async def test_a_number_of_seconds_in_json(tmp_path: Path, seconds: Any, echoed: float) -> None:
    async with serving_api(tmp_path) as server:
        job = await server.completed(32_000)
        answer = await server.client.post("/demo_trim", json={"jobId": job.name, "maxSeconds": seconds})
        assert (answer.status_code, answer.json()["maxSeconds"]) == (200, echoed)
        assert isinstance(answer.json()["maxSeconds"], type(echoed))


async def test_nonsense_in_json_is_named(tmp_path: Path) -> None:
    async with serving_api(tmp_path, diarizes=True) as server:
        job = await server.completed(16_000)
        wrong: list[Any] = [*NONSENSE, True, [3], {"is": 3}]
        requests = [("/diarize", "numSpeakers", value) for value in wrong]
        requests += [
            ("/demo_trim", "maxSeconds", value) for value in [*wrong, "", " ", None, "-1", "0"] if value != "60.5"
        ]
        for path, field, value in requests:
            answer = await server.client.post(path, json={"jobId": job.name, field: value})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), (path, value)
            assert answer.json()["error"].startswith(f"{field}: "), (path, value)


@pytest.mark.parametrize(
    ("query", "status", "jobs"),
    [
        ("limit=&status=&cursor=", 200, 2),
        ("limit=%201%20&status=%20", 200, 1),
        ("limit=1.0", 200, 1),
        ("limit=one", 422, 0),
        ("limit=1.5", 422, 0),
        ("limit=0", 422, 0),
    ],
)
async def test_a_number_in_a_query(tmp_path: Path, query: str, status: int, jobs: int) -> None:
    async with serving_api(tmp_path) as server:
        for _ in range(2):
            await server.completed(16_000)
        answer = await server.client.get(f"/jobs?{query}")
        assert answer.status_code == status
        if status == 200:
            assert len(answer.json()["jobs"]) == jobs
        else:
            assert answer.json()["error"].startswith("limit: ")


async def test_a_blank_format_is_the_usual_one(tmp_path: Path) -> None:
    async with serving_api(tmp_path, diarizes=True) as server:
        job = await server.completed(16_000)
        await server.client.post("/diarize", json={"jobId": job.name})
        assert (await server.client.get(f"/diarize/{job.name}?format=")).json()["status"] == "running"
