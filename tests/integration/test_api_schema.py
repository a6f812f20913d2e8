"""The service held to its own description: schemathesis makes requests of every kind from it and judges the answers."""

import asyncio
import json
import re
import sys
from pathlib import Path

import pytest

from support.api.server import KEY, api_settings, serving_api

SECONDS = 60
EXAMPLES = 12
"""For each operation and phase; deterministic, so that a failure is one of the code and not of the day."""

# What no schema can express: the state of a job, a foreign cursor, minSpeakers above maxSpeakers, no diarizer,
# a sampleRate in the query without a rawFormat.
CONFIG = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409"]

[[operations]]
include-operation-id = "jobs_jobs_get"
checks.positive_data_acceptance.enabled = false

[[operations]]
include-path = "/whisper_optimize"
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422"]

[[operations]]
include-path = ["/diarize", "/diarize/{job_id}"]
checks.not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", "503"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "503"]
"""


@pytest.mark.parametrize("known_job", [False, True])
async def test_the_service_matches_its_openapi_document(tmp_path: Path, known_job: bool) -> None:
    settings = api_settings(max_unfinished_jobs=100_000)
    async with serving_api(tmp_path / "data", settings) as server:
        config = CONFIG
        if known_job:
            job = await server.completed(16_000, 16_000)
            names = {"path.job_id": job.name, "body.jobId": job.name, "path.filename": "chunk_001.mp3"}
            given = "".join(f'"{where}" = "{name}"\n' for where, name in names.items())
            config = f"[parameters]\n{given}{CONFIG}"
        file = tmp_path / "schemathesis.toml"
        file.write_text(config)
        program = Path(sys.executable).with_name("st")
        url = f"http://127.0.0.1:{server.port}/openapi.json"
        command = [str(program), "--config-file", str(file), "run", url, "-H", f"X-API-Key: {KEY}", "--no-color"]
        command += ["--generation-deterministic", "--max-examples", str(EXAMPLES)]
        command += ["--phases", "examples,coverage,fuzzing", "--exclude-method", "DELETE"] if known_job else []
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        try:
            async with asyncio.timeout(SECONDS):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, output.decode()


async def test_the_description_has_every_route_with_examples(tmp_path: Path) -> None:
    async with serving_api(tmp_path, api_settings()) as server:
        described = (await server.client.get("/openapi.json")).json()
        routes = {(method, path) for path, methods in described["paths"].items() for method in methods}
        assert routes == {
            ("get", "/health"),
            ("get", "/livez"),
            ("get", "/readyz"),
            ("get", "/stats"),
            ("post", "/whisper_optimize"),
            ("get", "/jobs"),
            ("get", "/job/{job_id}"),
            ("delete", "/job/{job_id}"),
            ("post", "/job/{job_id}/retry"),
            ("get", "/job/{job_id}/download/{filename}"),
            ("post", "/demo_trim"),
            ("post", "/diarize"),
            ("get", "/diarize/{job_id}"),
        }
        schemas = described["components"]["schemas"]
        for name in (
            "Accepted",
            "JobView",
            "JobPage",
            "Stats",
            "Trimmed",
            "NotTrimmed",
            "DiarizationView",
            "ErrorBody",
        ):
            assert schemas[name]["examples"], name
        references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described)))
        assert references == set(schemas), "every reference leads somewhere, and nothing is left over"
        form = described["paths"]["/whisper_optimize"]["post"]["requestBody"]["content"]["multipart/form-data"]
        assert set(form["schema"]["properties"]) == {
            "file", "profile", "maxChunkSeconds", "rawFormat", "sampleRate", "channels", "track", "language",
            "multichannel",
        }  # fmt: skip
