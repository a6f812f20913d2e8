"""Names that the service does not know: the request is served, and its answer warns."""

from pathlib import Path
from typing import Any

import pytest

from support.api.raw_http import form, part
from support.api.server import serving_api
from support.api.uploads import SOUND, upload
from whisperjob_api.unknown_names import find_similar
from whisperjob_api.upload_form import KNOWN_FIELDS


def unknown(kind: str, name: str, meant: str | None = None) -> dict[str, str]:
    hint = f"; did you mean `{meant}`?" if meant else "."
    return {"code": f"unknown_{kind}", "message": f"The {kind} `{name}` is unknown and was ignored{hint}"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("profil", "profile"),
        ("Profile", "profile"),
        ("profiles", "profile"),
        ("max_chunk_seconds", "maxChunkSeconds"),
        ("MAX-CHUNK-SECONDS", "maxChunkSeconds"),
        ("maxChunkSecond", "maxChunkSeconds"),
        ("samplerate", "sampleRate"),
        ("channel", "channels"),
        ("File", "file"),
        ("comment", None),
        ("x", None),
        ("", None),
        ("x" * 10_000, None),
    ],
)
def test_what_was_meant(name: str, meant: str | None) -> None:
    assert find_similar(name, KNOWN_FIELDS) == meant


async def test_an_upload_warns_of_fields_and_options_that_mean_nothing(tmp_path: Path) -> None:
    sent = (
        part("file", SOUND, "a.wav"),
        part("profil", b"light"),
        part("submit", b"Send"),
        part("_charset_", b"utf-8"),
    )
    async with serving_api(tmp_path) as server:
        answer = await upload(server, form(*sent), path="/whisper_optimize?profile=none&chanels=2")
        assert answer.status == 202
        assert answer.json["warnings"] == [
            unknown("option", "chanels", "channels"),
            unknown("field", "profil", "profile"),
            unknown("field", "submit"),
        ]
        assert answer.headers["warning"].count("299 - ") == 3
        usual = await upload(server, form(part("file", SOUND, "a.wav"), part("profile", b"light")))
        assert set(usual.json) == {"jobId", "status", "message", "statusUrl"}
        assert "warning" not in usual.headers


async def test_every_route_warns_of_options_that_mean_nothing(tmp_path: Path) -> None:
    async with serving_api(tmp_path, diarizes=True) as server:
        job = await server.completed(16_000)
        await server.client.post("/diarize", json={"jobId": job.name})
        answers = {
            "stats": await server.client.get("/stats?verbose=1"),
            "jobs": await server.client.get("/jobs?state=completed&limit=1"),
            "diarization": await server.client.get(f"/diarize/{job.name}?fromat=rttm"),
            "trim": await server.client.post("/demo_trim?verbose=1", json={"jobId": job.name, "maxSeconds": 0.5}),
        }
        for name, answer in answers.items():
            (warning,) = answer.json()["warnings"]
            assert warning["code"] == "unknown_option", name
            assert answer.headers["warning"].startswith("299 - "), name
        assert answers["jobs"].json()["jobs"][0]["jobId"] == job.name
        assert answers["jobs"].json()["warnings"] == [unknown("option", "state", "status")]
        for method, path in (
            ("GET", f"/job/{job.name}?full=1"),
            ("GET", f"/job/{job.name}/download/output.mp3?full=1"),
            ("HEAD", f"/job/{job.name}/download/output.mp3?full=1"),
            ("DELETE", f"/job/{job.name}?force=1"),
        ):
            answer = await server.client.request(method, path)
            assert answer.is_success
            assert "is unknown and was ignored." in answer.headers["warning"], path
            if path == f"/job/{job.name}?full=1" and method == "GET":
                assert answer.json()["warnings"] == [], "these are about the recording"


@pytest.mark.parametrize(
    ("path", "body", "name", "meant"),
    [
        ("/demo_trim", {"maxSeconds": 0.5, "maxSecond": 3}, "maxSecond", "maxSeconds"),
        ("/demo_trim", {"maxSeconds": 500, "format": "wav"}, "format", None),
        ("/diarize", {"numSpeaker": 3}, "numSpeaker", "numSpeakers"),
        ("/diarize", {"speakers": 3}, "speakers", "numSpeakers"),
        ("/diarize", {'a\r\nX-Evil: "1" ü': 3}, 'a  X-Evil: "1" ü', None),
    ],
)
async def test_json_bodies_warn_of_fields_that_mean_nothing(
    tmp_path: Path, path: str, body: dict[str, Any], name: str, meant: str | None
) -> None:
    async with serving_api(tmp_path, diarizes=True) as server:
        job = await server.completed(16_000)
        answer = await server.client.post(path, json={"jobId": job.name, **body})
        assert answer.is_success
        assert answer.json()["warnings"] == [unknown("field", name, meant)]
        assert "x-evil" not in answer.headers
        known = await server.client.post(
            path, json={"jobId": job.name, "maxSeconds": 0.5} if "trim" in path else {"jobId": job.name}
        )
        assert "warnings" not in known.json()


async def test_a_query_without_an_end_gets_a_bounded_warning(tmp_path: Path) -> None:
    async with serving_api(tmp_path) as server:
        answer = await server.client.get(
            "/stats?" + "&".join(f"{'%F0%9F%8E%A7' * 5}{number}=x" for number in range(300))
        )
        assert answer.status_code == 200
        assert len(answer.json()["warnings"]) == 20
        assert 1000 < len(answer.headers["warning"]) < 4096, "a proxy must not choke on it"
