"""A user of a real cluster: uploads through the Service, watches, downloads, trims, counts, deletes."""

import os
import re
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from cluster.front import nginx
from cluster.harness import Cluster
from cluster.installation import Installation, answers, download, finished, submit, wait_for
from cluster.kube import Kube
from cluster.measuring import PROGRESS, operator_writes, seconds_to_worker
from cluster.paths import REPOSITORY
from cluster.recordings import write_long
from support.audio.media import decode, write_speech_video

pytest_plugins = ["cluster.fixtures"]
pytestmark = pytest.mark.cluster

SECONDS = 20
PROGRESS_INTERVAL = timedelta(seconds=2)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_speech_video(tmp_path_factory.mktemp("talk") / "talk.mp4", seconds=SECONDS)


@pytest.fixture(scope="module")
def job(api: httpx.Client, talk: Path) -> str:
    """A job that has completed."""
    name = submit(api, talk)
    assert finished(api, name)["status"] == "completed"
    return name


def test_a_video_becomes_an_mp3(api: httpx.Client, job: str, tmp_path: Path) -> None:
    seen = api.get(f"/job/{job}").json()
    assert (seen["step"], seen["progress"], seen["originalFilename"]) == ("done", 100, "talk.mp4")
    (chunk,) = seen["chunks"]
    output = tmp_path / "output.mp3"
    output.write_bytes(download(api, chunk))
    assert len(decode(output)) / 16_000 == pytest.approx(SECONDS, abs=0.1)
    part = api.get(chunk["downloadUrl"], headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, output.read_bytes()[100:200])


def test_the_bytes_are_those_of_the_worker_on_this_machine(
    api: httpx.Client, cluster: Kube, installation: Installation, job: str, talk: Path, tmp_path: Path
) -> None:
    here = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True).stdout.splitlines()[0]
    registry, (tag, *_) = cluster.images
    image = f"--image={registry}/optimizer:{tag}"
    pod = ["-n", "default", "run", "ffmpeg", image, "--restart=Never", "--attach", "--rm", "--quiet"]
    there = cluster.kubectl(*pod, "--command", "--", "ffmpeg", "-version").splitlines()[0]
    if here != there:
        pytest.skip(f"another ffmpeg here ({here}) than in the image ({there})")
    script = Path(sys.executable).with_name("whisperjob")
    subprocess.run([script, "local", "optimize", talk, "-o", tmp_path], check=True, capture_output=True, timeout=120)
    (chunk,) = api.get(f"/job/{job}").json()["chunks"]
    assert download(api, chunk) == (tmp_path / "output.mp3").read_bytes()


def test_the_release_stands_its_own_test(installation: Installation) -> None:
    assert "Succeeded" in installation.helm_test()


def test_the_notes_say_what_works(cluster: Kube, installation: Installation, job: str) -> None:
    commands = {
        (heading or ":").rstrip(":"): command
        for heading, command in re.findall(r"^([^:\n]+:)? +(kubectl .*)$", installation.notes, re.MULTILINE)
    }
    environment = cluster.environment | {"PATH": f"{cluster.binaries['kubectl'].parent}:{os.environ['PATH']}"}

    def typed(command: str) -> str:
        done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert typed(commands["Its key"]) == installation.api_key()
    assert job in typed(commands["Jobs"].removesuffix(" -w"))
    assert "labeled" in typed(commands[""])
    assert f"service/{installation.name}-api 8080:80" in commands["The API"]


def test_operator_and_api_tell_prometheus(cluster: Kube, installation: Installation, job: str) -> None:
    def scraped(component: str) -> str:
        (pod, *_) = installation.pods(component)
        where = f"/api/v1/namespaces/{installation.namespace}/pods/{pod['metadata']['name']}:9090/proxy/metrics"
        return cluster.run("kubectl", "get", "--raw", where).stdout

    operator, api = scraped("operator"), scraped("api")
    assert re.search(r'^whisperjob_jobs\{phase="Completed"\} [1-9]', operator, re.MULTILINE)
    assert re.search(r'^whisperjob_jobs\{phase="Completed"\} [1-9]', api, re.MULTILINE)
    assert "whisperjob_reconcile_seconds_count" in operator
    assert 'whisperjob_http_requests_total{method="GET",route="/readyz",status="200"}' in api
    assert job not in operator + api


def test_kubectl_shows_it(cluster: Kube, installation: Installation, job: str) -> None:
    head, line = cluster.kubectl("-n", installation.namespace, "get", "wj", job).splitlines()
    columns = ["NAME", "STATUS", "STEP", "PROGRESS", "DURATION", "CHUNKS", "DIARIZATION", "SPEAKERS", "WHY", "AGE"]
    assert head.split() == columns
    assert line.split()[:4] == [job, "Completed", "done", "100"]


def test_it_is_trimmed_listed_counted_and_deleted(api: httpx.Client, installation: Installation, talk: Path) -> None:
    before = api.get("/stats").json()
    name = submit(api, talk)
    finished(api, name)
    trimmed = api.post("/demo_trim", json={"jobId": name, "maxSeconds": 5}).json()
    assert trimmed["chunks"][0]["durationSeconds"] == pytest.approx(5, abs=0.1)
    assert len(download(api, trimmed["chunks"][0])) == pytest.approx(5 * 8000, rel=0.05)
    assert name in [listed["jobId"] for listed in api.get("/jobs").json()["jobs"]]
    assert api.get("/stats").json() != before
    assert api.delete(f"/job/{name}").is_success
    wait_for(lambda: not installation.has_whisperjob(name), "the WhisperJob to go")
    assert api.get(f"/job/{name}").status_code == 404


def test_a_job_is_made_with_kubectl_alone(cluster: Kube, installation: Installation, talk: Path) -> None:
    """The sample, as it is but for the recording's size; what was imported is read and left alone."""
    store = installation.store()
    store.fput_object("whisperjob", "imports/talk.mp4", str(talk))
    sample = (REPOSITORY / "deploy/samples/whisperjob.yaml").read_text()
    mine = re.sub(r"sizeBytes: \d+", f"sizeBytes: {talk.stat().st_size}", sample)
    cluster.kubectl("-n", installation.namespace, "apply", "-f", "-", stdin=mine)
    ended = ["wait", "--for=condition=Complete", "wj/talk", "--timeout=90s"]
    cluster.kubectl("-n", installation.namespace, *ended)
    manifest = installation.status("talk")["output"]["manifestKey"]
    assert store.stat_object("whisperjob", manifest).size
    cluster.kubectl("-n", installation.namespace, "delete", "wj", "talk")
    folder = manifest.rpartition("/")[0]
    wait_for(lambda: not list(store.list_objects("whisperjob", f"{folder}/")), "the results to go")
    assert store.stat_object("whisperjob", "imports/talk.mp4").size == talk.stat().st_size


def test_a_source_of_somebody_else_s_is_refused(cluster: Kube, installation: Installation) -> None:
    sample = (REPOSITORY / "deploy/samples/whisperjob.yaml").read_text()
    stolen = sample.replace("imports/talk.mp4", f"uploads/{installation.namespace}/another/0011223344556677")
    done = cluster.run("kubectl", "-n", installation.namespace, "apply", "-f", "-", stdin=stolen, check=False)
    assert done.returncode != 0
    assert "spec.source.key must lie below" in done.stderr


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(b"These are no sounds, these are words.\n" * 1000, "not_media", id="text"),
        pytest.param(b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n", None, id="playlist"),
    ],
)
def test_bad_media_fails_at_once_and_once(
    api: httpx.Client, installation: Installation, tmp_path: Path, content: bytes, code: str | None
) -> None:
    bad = tmp_path / "talk.mp4"
    bad.write_bytes(content)
    name = submit(api, bad)
    seen = finished(api, name)
    assert seen["status"] == "error"
    assert seen["errorCode"] == code if code else seen["errorCode"] in ("not_media", "playlist_refused")
    assert installation.status(name)["attempt"] == 1


def test_an_upload_through_nginx_with_the_ingress_s_settings(
    api: httpx.Client, inner_cluster: Cluster, installation: Installation, talk: Path, tmp_path: Path
) -> None:
    large = write_long(tmp_path / "large.wav", minutes=10)
    with (
        nginx(inner_cluster, installation) as url,
        httpx.Client(base_url=url, headers=api.headers, timeout=60, trust_env=False) as front,
    ):
        wait_for(lambda: answers(front), "nginx to answer")
        assert finished(front, submit(front, large))["status"] == "completed"
        (chunk,) = finished(front, submit(front, talk))["chunks"]
        assert download(front, chunk)


def test_cancelling_a_running_job_ends_its_pod_within_10_s(
    api: httpx.Client, installation: Installation, tmp_path: Path
) -> None:
    name = submit(api, write_long(tmp_path / "long.wav", minutes=120))
    wait_for(lambda: installation.status(name).get("phase") == "Processing", "the job to run")
    begun = time.monotonic()
    assert api.delete(f"/job/{name}").is_success
    wait_for(lambda: not installation.workers(name), "the pod to go", 30)
    assert time.monotonic() - begun < 10


def test_a_worker_runs_soon_after_the_upload_and_few_words_are_written(
    api: httpx.Client,
    inner_cluster: Cluster,
    installation: Installation,
    talk: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On an idle cluster with the image there: under 5 s, and at most 8 writes by the operator, progress aside."""
    name, took = seconds_to_worker(api, installation, talk)
    written = operator_writes(api, inner_cluster, installation, name)
    status = installation.status(name)
    lasted = datetime.fromisoformat(status["completionTime"]) - datetime.fromisoformat(status["startTime"])
    with capsys.disabled():
        print(f"\nfrom the upload's end to a running container: {took:.2f} s; the operator's writes: {written}")
    assert took < 5
    progress = written.count(PROGRESS)
    assert len(written) - progress <= 8
    assert progress <= 1 + lasted // PROGRESS_INTERVAL  # a worker's first word does not wait
