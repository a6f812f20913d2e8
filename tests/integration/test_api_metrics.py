"""/metrics of a whole service: what an operator of it would draw, and never a job's id."""

import re
from pathlib import Path

import httpx

from support.audio.media import write_speech_video
from support.service.serving import served
from support.waiting import until_sync


def scraped(output: list[str]) -> dict[str, float]:
    """Samples by name and labels."""
    (port,) = {found[1] for line in output if (found := re.search(r"/metrics is served on port (\d+)", line))}
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    return {name: float(value) for name, value in re.findall(r"^(\w\S*) (\S+)$", text, re.MULTILINE)}


def test_metrics_of_a_job_and_its_requests(tmp_path: Path) -> None:
    talk = write_speech_video(tmp_path / "talk.mp4", seconds=4)
    bad = tmp_path / "bad.mp4"
    bad.write_text("only words\n" * 100)
    with served(tmp_path / "data", {"WHISPERJOB_METRICS_PORT": "0"}) as service:
        client = service.client
        with bad.open("rb") as file:  # a slash too many is counted like none
            accepted = client.post("/whisper_optimize/", files={"file": file}).json()
        jobs = [service.upload(talk), accepted["jobId"]]

        def ended() -> bool:
            return all(client.get(f"/job/{job}").json()["status"] in ("completed", "error") for job in jobs)

        until_sync(ended, "the jobs to end", 60)
        client.head(f"/job/{jobs[0]}/download/output.mp3")
        client.get("/job/none-such/")
        client.get("/nowhere")
        httpx.get(f"{service.url}/stats")  # without a key
        seen = scraped(service.output)
    assert seen['whisperjob_jobs{phase="Completed"}'] == 1
    assert seen['whisperjob_jobs{phase="Error"}'] == 1
    assert seen['whisperjob_job_events_total{reason="Started"}'] == 2
    assert seen['whisperjob_job_events_total{reason="BadInput"}'] == 1
    assert seen["whisperjob_reconcile_seconds_count"] >= 6
    assert seen["whisperjob_queue_length"] == 0
    assert 0 <= seen["whisperjob_records_cache_age_seconds"] < 60
    assert seen['whisperjob_http_requests_total{method="POST",route="/whisper_optimize",status="202"}'] == 2
    assert seen["whisperjob_upload_seconds_count"] == 2
    assert seen["whisperjob_upload_bytes_total"] >= talk.stat().st_size + bad.stat().st_size
    assert seen['whisperjob_http_requests_total{method="GET",route="/job/{job_id}",status="404"}'] == 1
    assert seen['whisperjob_http_requests_total{method="GET",route="/stats",status="401"}'] == 1
    assert seen['whisperjob_http_requests_total{method="GET",route="unknown",status="404"}'] == 1
    download = 'method="HEAD",route="/job/{job_id}/download/{filename}",status="200"'
    assert seen[f"whisperjob_http_requests_total{{{download}}}"] == 1
    assert not [name for name in seen for job in jobs if job in name]


def test_without_the_setting_there_are_no_metrics(tmp_path: Path) -> None:
    with served(tmp_path / "data") as service:
        assert service.client.get("/metrics").status_code in (401, 404)
    assert "metrics" not in "".join(service.output)
