"""What only an S3 store has: grants for workers, a service that becomes unavailable, broken responses."""

import io
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from support.stores.canned_s3 import CannedResponse, canned_s3
from support.stores.minio_server import MinioServer
from support.waiting import until_sync
from whisperjob.model.errors import StoreFullError, StoreUnavailableError
from whisperjob.model.protocol import HttpRead, HttpWrite
from whisperjob.model.settings import StoreSettings
from whisperjob.stores.open import open_store
from whisperjob.stores.s3 import S3Store

MIB = 1024 * 1024
HOUR = timedelta(hours=1)


@pytest.fixture
def settings(minio_server: MinioServer) -> StoreSettings:
    return minio_server.settings()


@pytest.fixture
def store(settings: StoreSettings) -> S3Store:
    return S3Store(settings)


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=20) as client:
        yield client


def send_form(http: httpx.Client, grant: HttpWrite, key: str, data: bytes = b"mp3") -> int:
    """Sends a form as a worker does; returns the HTTP status."""
    return http.post(grant.url, data={**grant.fields, "key": key}, files={"file": data}).status_code


def listed(store: S3Store) -> list[str]:
    return [found.key for found in store.list("")]


def test_with_an_endpoint_objects_lie_in_its_bucket(settings: StoreSettings, store: S3Store, tmp_path: Path) -> None:
    open_store(settings, tmp_path / "unused").put("jobs/1/a", io.BytesIO(b"data"))
    assert listed(store) == ["jobs/1/a"]
    assert not (tmp_path / "unused").exists()


def test_many_stores_start_with_an_absent_bucket(settings: StoreSettings) -> None:
    stores = [S3Store(settings) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pair: pair[1].put(f"a/{pair[0]}", io.BytesIO(b"")), enumerate(stores)))
    assert len(listed(stores[0])) == 8


def test_readiness_makes_the_bucket(settings: StoreSettings) -> None:
    S3Store(settings).check()
    S3Store(settings)._client.remove_bucket(settings.s3_bucket)  # it was there


def test_a_read_grant_reads_one_object(store: S3Store, http: httpx.Client) -> None:
    store.put("uploads/1/a", io.BytesIO(b"0123456789"))
    store.put("uploads/1/b", io.BytesIO(b"another's"))
    grant = store.grant_read("uploads/1/a", HOUR)
    assert isinstance(grant, HttpRead)
    assert http.get(grant.url).content == b"0123456789"
    part = http.get(grant.url, headers={"Range": "bytes=3-5"})
    assert (part.status_code, part.content) == (206, b"345")
    assert http.get(grant.url.replace("/uploads/1/a", "/uploads/1/b")).status_code == 403
    assert http.put(grant.url, content=b"mine").status_code == 403
    assert http.delete(grant.url).status_code == 403


def test_a_write_grant_writes_under_its_prefix(store: S3Store, http: httpx.Client) -> None:
    grant = store.grant_write("jobs/1/optimize/1/", HOUR, 10 * MIB)
    assert isinstance(grant, HttpWrite)
    data = bytes(range(256)) * 4096 * 9
    assert send_form(http, grant, grant.prefix + "output.mp3", data) == 204
    assert send_form(http, grant, grant.prefix + "manifest.json") == 204
    assert listed(store) == ["jobs/1/optimize/1/manifest.json", "jobs/1/optimize/1/output.mp3"]
    assert b"".join(store.read("jobs/1/optimize/1/output.mp3")) == data


@pytest.mark.parametrize(
    "key", ["jobs/1/optimize/2/output.mp3", "jobs/1/optimize/1", "jobs/10/optimize/1/a", "uploads/1/a", "trim.json"]
)
def test_a_write_grant_writes_nowhere_else(store: S3Store, http: httpx.Client, key: str) -> None:
    grant = store.grant_write("jobs/1/optimize/1/", HOUR, MIB)
    assert send_form(http, grant, key) == 403
    assert listed(store) == []


def test_a_write_grant_never_leads_out_of_its_prefix(store: S3Store, http: httpx.Client) -> None:
    grant = store.grant_write("jobs/1/optimize/1/", HOUR, MIB)
    assert send_form(http, grant, "jobs/1/optimize/1/../../../2/a") >= 400
    assert listed(store) == []


@pytest.mark.parametrize(("size", "status"), [(0, 204), (MIB, 204), (MIB + 1, 400)])
def test_a_write_grant_has_a_limit_on_size(store: S3Store, http: httpx.Client, size: int, status: int) -> None:
    grant = store.grant_write("jobs/1/optimize/1/", HOUR, MIB)
    assert send_form(http, grant, grant.prefix + "a", bytes(size)) == status
    assert len(listed(store)) == (status == 204)


def test_a_write_grant_runs_out(store: S3Store, http: httpx.Client) -> None:
    grant = store.grant_write("jobs/1/optimize/1/", timedelta(seconds=-1), MIB)
    assert send_form(http, grant, grant.prefix + "a") == 403
    assert listed(store) == []


def test_grants_are_signed_for_the_service_as_workers_reach_it(minio_server: MinioServer, http: httpx.Client) -> None:
    inside = f"http://localhost:{minio_server.port}"
    store = S3Store(minio_server.settings().model_copy(update={"s3_worker_endpoint": inside}))
    store.put("uploads/1/a", io.BytesIO(b"data"))
    source, results = store.grant_read("uploads/1/a", HOUR), store.grant_write("jobs/1/", HOUR, MIB)
    assert source.url.startswith(f"{inside}/")
    assert results.url.startswith(f"{inside}/")
    assert http.get(source.url).content == b"data"
    assert send_form(http, results, "jobs/1/a") == 204


def test_wrong_credentials_are_reported_without_being_shown(settings: StoreSettings) -> None:
    store = S3Store(settings.model_copy(update={"s3_secret_key": SecretStr("wrong-secret")}))
    with pytest.raises(StoreUnavailableError, match="refuses our credentials") as caught:
        store.check()
    assert "wrong-secret" not in repr(caught.value)
    with pytest.raises(StoreUnavailableError):
        store.put("a", io.BytesIO(b"data"))


@pytest.mark.parametrize(
    "change",
    [
        {"s3_endpoint": None},
        {"s3_endpoint": "127.0.0.1:9000"},
        {"s3_endpoint": "ftp://store"},
        {"s3_endpoint": "http://store/path"},
        {"s3_worker_endpoint": "store:9000"},
        {"s3_access_key": ""},
        {"s3_secret_key": SecretStr("")},
        {"s3_grant_access_key": "grants"},
        {"s3_grant_secret_key": SecretStr("secret")},
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(change: dict[str, object]) -> None:
    settings = StoreSettings(s3_endpoint="http://store:9000", s3_access_key="key", s3_secret_key=SecretStr("secret"))
    S3Store(settings)
    with pytest.raises(ValueError, match="S3"):
        S3Store(settings.model_copy(update=change))


EVERY_CALL: list[Callable[[S3Store], object]] = [
    lambda store: store.check(),
    lambda store: store.stat("a"),
    lambda store: store.read("a"),
    lambda store: list(store.list("")),
    lambda store: store.put("b", io.BytesIO(b"data")),
    lambda store: store.put("b", io.BytesIO(bytes(9 * MIB))),
    lambda store: store.delete("b"),
    lambda store: store.delete_prefix("jobs/"),
    lambda store: store.sweep_unfinished(timedelta(0)),
]


def test_a_service_that_goes_away_comes_back(own_minio_server: MinioServer) -> None:
    store = S3Store(own_minio_server.settings())
    store.put("a", io.BytesIO(b"data"))
    own_minio_server.stop()
    began = time.monotonic()
    for call in EVERY_CALL:
        with pytest.raises(StoreUnavailableError):
            call(store)
    assert time.monotonic() - began < 5 * len(EVERY_CALL)
    own_minio_server.start()
    for call in EVERY_CALL:
        call(store)
    assert listed(store) == ["a"]


def test_a_service_that_dies_during_an_upload_leaves_nothing_visible(own_minio_server: MinioServer) -> None:
    store = S3Store(own_minio_server.settings())

    class Killing:
        left = 6

        def read(self, size: int = -1, /) -> bytes:
            self.left -= 1
            if self.left == 2:
                own_minio_server.stop()
            return bytes(size) if self.left else b""

    store.ensure_bucket()
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError):
        store.put("jobs/1/a", Killing())
    assert time.monotonic() - began < 30
    own_minio_server.start()
    assert listed(store) == []


def test_a_service_that_does_not_answer_is_not_ready(own_minio_server: MinioServer) -> None:
    store = S3Store(own_minio_server.settings())

    def is_ready() -> bool:
        try:
            store.check()
        except StoreUnavailableError:
            return False
        return True

    until_sync(is_ready, "the service to be ready", timeout=30)  # MinIO says so a moment before it is
    with own_minio_server.frozen():
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="in time"):
            store.check()
        assert time.monotonic() - began < 6
    until_sync(is_ready, "the service to be ready again", timeout=30)


def test_a_full_service_is_full(minio_binary: Path, tmp_path: Path) -> None:
    in_small_disk = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    disk = tmp_path / "minio" / "data"
    disk.mkdir(parents=True)
    mount = f"mount -t tmpfs -o size=40m none {disk}"
    if not shutil.which("unshare") or subprocess.run([*in_small_disk, mount], capture_output=True).returncode:
        pytest.skip("a small disk cannot be made here: that needs unshare(1) and user namespaces")
    server = MinioServer(minio_binary, tmp_path / "minio", (*in_small_disk, f'{mount} && exec "$@"', "sh"))
    server.start()
    try:
        store = S3Store(server.settings())
        store.put("small", io.BytesIO(bytes(MIB)))
        with pytest.raises(StoreFullError):
            store.put("big", io.BytesIO(bytes(60 * MIB)))
        assert listed(store) == ["small"]
    finally:
        server.stop()


def with_healthy_heads(respond: Callable[[str, str], CannedResponse]) -> Callable[[str, str], CannedResponse]:
    """Returns the responses of a service that is healthy except for `respond`."""

    def whole(method: str, target: str) -> CannedResponse:
        if method == "HEAD":
            return CannedResponse(200)
        return respond(method, target)

    return whole


def canned_settings(endpoint: str) -> StoreSettings:
    return StoreSettings(s3_endpoint=endpoint, s3_access_key="key", s3_secret_key=SecretStr("secret"))


def test_an_error_with_status_200_is_no_success() -> None:
    """S3 may have sent its status line before it fails to join the parts."""

    def respond(method: str, target: str) -> CannedResponse:
        if method == "POST" and target.endswith("?uploads="):
            return CannedResponse(200, "<R><UploadId>one</UploadId></R>")
        if method == "POST":
            return CannedResponse(200, "<Error><Code>InternalError</Code></Error>")
        return CannedResponse(204) if method == "DELETE" else CannedResponse(200, headers={"ETag": '"e"'})

    with canned_s3(with_healthy_heads(respond)) as service:
        store = S3Store(canned_settings(service.endpoint))
        with pytest.raises(StoreUnavailableError, match="confirm"):
            store.put("a", io.BytesIO(bytes(9 * MIB)))
    assert service.requests[-1] == "DELETE /whisperjob/a?uploadId=one"


def test_a_write_that_meets_a_removal_succeeds() -> None:
    """MinIO refuses it for a moment; a refusal that persists is an error."""
    refusals = iter([CannedResponse(403, "<Error><Code>AccessDenied</Code></Error>")] * 2)
    confirmed = CannedResponse(200, headers={"ETag": '"e"'})
    with canned_s3(with_healthy_heads(lambda method, target: next(refusals, confirmed))) as service:
        assert S3Store(canned_settings(service.endpoint)).put("a", io.BytesIO(b"data")) == 4
    assert service.requests.count("PUT /whisperjob/a") == 3
    refused = CannedResponse(403, "<Error><Code>AccessDenied</Code></Error>")
    with canned_s3(with_healthy_heads(lambda method, target: refused)) as service, pytest.raises(StoreUnavailableError):
        S3Store(canned_settings(service.endpoint)).put("a", io.BytesIO(b"data"))


def test_a_part_that_fails_ends_the_upload_early() -> None:
    """A large recording is not read to its end in vain."""

    def respond(method: str, target: str) -> CannedResponse:
        if method == "POST":
            return CannedResponse(200, "<R><UploadId>one</UploadId></R>")
        return (
            CannedResponse(204)
            if method == "DELETE"
            else CannedResponse(507, "<Error><Code>XMinioStorageFull</Code></Error>")
        )

    class Endless:
        given = 0

        def read(self, size: int = -1, /) -> bytes:
            self.given += size
            return bytes(size)

    endless = Endless()
    with canned_s3(with_healthy_heads(respond)) as service, pytest.raises(StoreFullError):
        S3Store(canned_settings(service.endpoint)).put("a", endless)
    assert endless.given <= 5 * 8 * MIB
    assert service.requests[-1] == "DELETE /whisperjob/a?uploadId=one"


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (CannedResponse(503, "<Error><Code>SlowDown</Code></Error>", {"Retry-After": "120"}), StoreUnavailableError),
        (CannedResponse(502, "<html>Bad gateway", {}, "text/html"), StoreUnavailableError),
        (CannedResponse(200, "<html>Captive portal", {}, "text/html"), StoreUnavailableError),
        (CannedResponse(507, "", {}, "text/html"), StoreFullError),
    ],
    ids=["busy", "gateway", "portal", "full"],
)
@pytest.mark.parametrize("size", [1, 9 * MIB])
def test_broken_responses_become_store_errors_soon(
    response: CannedResponse, expected: type[Exception], size: int
) -> None:
    began = time.monotonic()
    with canned_s3(with_healthy_heads(lambda method, target: response)) as service, pytest.raises(expected):
        S3Store(canned_settings(service.endpoint)).put("a", io.BytesIO(bytes(size)))
    assert time.monotonic() - began < 10


def test_a_download_cut_short_is_an_error() -> None:
    with canned_s3(
        with_healthy_heads(lambda method, target: CannedResponse(200, "x" * 100, withheld_bytes=1))
    ) as service:
        pieces = S3Store(canned_settings(service.endpoint)).read("a")
        with pytest.raises(StoreUnavailableError):
            b"".join(pieces)
