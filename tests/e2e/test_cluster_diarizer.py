"""The real diarizer in a pod of a real cluster, on a real conversation, without a token."""

import time
from collections.abc import Iterator

import pytest

from cluster.gpus import advertised_gpu
from cluster.harness import Cluster
from cluster.installation import Installation, diarized, finished, submit, wait_for
from support.audio.conversation import conversation

pytest_plugins = ["cluster.fixtures"]
pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def release(inner_cluster: Cluster, real_diarizer: str) -> Iterator[Installation]:
    """With one GPU advertised, which the chart asks for by default; the image is the one for CPUs."""
    made = Installation(inner_cluster, "conversations")
    values = {
        "diarizer.enabled": "true",
        "diarizer.image": real_diarizer,
        "diarizer.cpuRequest": "100m",
        "diarizer.memory": "2Gi",
    }
    with advertised_gpu(inner_cluster):
        made.install(**{"api.replicas": "1", **values})
        yield made


@pytest.mark.timeout(600)
def test_who_speaks_is_found_in_a_restricted_pod(release: Installation, capsys: pytest.CaptureFixture[str]) -> None:
    talk = conversation()
    with release.client() as client:
        job = submit(client, talk.file)
        assert finished(client, job)["status"] == "completed"
        assert client.post("/diarize", json={"jobId": job}).status_code == 202
        seen = diarized(client, job, 400)
    assert seen["status"] == "completed", seen
    result = seen["result"]
    with capsys.disabled():
        found = f"{result['num_speakers']} speakers, {result['total_segments']} segments"
        print(f"\n{result['model']} on {result['device']}: {found}")
    assert result["num_speakers"] == 2
    assert result["device"].startswith("cpu")
    assert sum(speaker["total_seconds"] for speaker in result["speakers"]) > 10
    status = release.status(job)["diarization"]
    assert (status["attempt"], status["phase"]) == (1, "Completed")


@pytest.mark.timeout(300)
def test_a_deleted_job_s_diarizer_goes_within_ten_seconds(release: Installation) -> None:
    with release.client() as client:
        job = submit(client, conversation().file)
        assert finished(client, job)["status"] == "completed"
        assert client.post("/diarize", json={"jobId": job}).status_code == 202
        wait_for(lambda: client.get(f"/diarize/{job}").json().get("progress", 0) >= 10, "the model to be at work", 120)
        begun = time.monotonic()
        assert client.delete(f"/job/{job}").is_success
        wait_for(lambda: not release.workers(job), "the pod to go", 30)
    assert time.monotonic() - begun < 10
