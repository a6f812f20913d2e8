"""The policies of the guide, given to a real service: each key does what its purpose needs, and nothing else."""

import io
import json
import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from minio.credentials.providers import StaticProvider
from minio.minioadmin import MinioAdmin
from pydantic import SecretStr

from support.kubernetes.paths import REPOSITORY
from support.stores.minio_server import MinioServer
from whisperjob.model.errors import StoreUnavailableError
from whisperjob.model.settings import StoreSettings
from whisperjob.stores.s3 import S3Store

HOUR = timedelta(hours=1)
BIG = 9 * 1024 * 1024  # in several parts
ROLES = ("api", "operator", "grants")
UPLOAD, RESULT, TRIM = "uploads/n/talk/1", "jobs/n/u/optimize/1/output.mp3", "jobs/n/u/trim/1/trimmed.mp3"
POINTER, MARKER, USE, IMPORT = "jobs/n/u/trim.json", "installations/n/i.json", "usage/n/t/use", "imports/a.mp4"


@pytest.fixture
def keys(own_minio_server: MinioServer, tmp_path: Path) -> dict[str, StoreSettings]:
    """Returns settings for each role, and for `root`. API and operator sign with the grants' key."""
    root = own_minio_server.settings("whisperjob")
    S3Store(root).ensure_bucket()
    guide = (REPOSITORY / "docs" / "how-to" / "external-s3.md").read_text()
    policies = dict(re.findall(r"^```json (\w+)\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL))
    assert set(policies) == set(ROLES)
    credentials = StaticProvider(own_minio_server.access_key, own_minio_server.secret_key)
    address = own_minio_server.endpoint.removeprefix("http://")
    admin = MinioAdmin(endpoint=address, credentials=credentials, secure=False)
    pairs = {role: (f"key-of-{role}", secrets.token_hex(16)) for role in ROLES}
    for role, (access, secret) in pairs.items():
        file = tmp_path / f"{role}.json"
        file.write_text(json.dumps(json.loads(policies[role])))
        admin.policy_add(role, str(file))
        admin.user_add(access, secret)
        admin.policy_set(role, user=access)
    grants = {"s3_grant_access_key": pairs["grants"][0], "s3_grant_secret_key": SecretStr(pairs["grants"][1])}
    public = {"s3_public_endpoint": root.s3_endpoint}
    return {"root": root} | {
        role: root.model_copy(
            update={"s3_access_key": access, "s3_secret_key": SecretStr(secret), **grants, **public},
        )
        for role, (access, secret) in pairs.items()
    }


def put(key: str, size: int = 1) -> Callable[[S3Store], object]:
    return lambda store: store.put(key, io.BytesIO(bytes(size)))


def read(key: str) -> Callable[[S3Store], object]:
    return lambda store: b"".join(store.read(key))


def delete(key: str) -> Callable[[S3Store], object]:
    return lambda store: store.delete(key)


def test_each_key_does_what_its_part_needs_and_nothing_else(keys: dict[str, StoreSettings]) -> None:
    everything = (UPLOAD, RESULT, TRIM, POINTER, MARKER, USE, IMPORT)
    for key in everything:
        put(key)(S3Store(keys["root"]))
    api: list[Callable[[S3Store], object]] = [
        lambda store: store.check(),
        lambda store: store.stat(UPLOAD),
        lambda store: list(store.list("usage/n/t/")),
        lambda store: store.delete_prefix("jobs/n/u/trim/2/"),
        *(put(key, BIG) for key in (UPLOAD, TRIM)),
        *(put(key) for key in (POINTER, USE)),
        *(read(key) for key in (UPLOAD, RESULT, TRIM, POINTER)),
        *(delete(key) for key in (UPLOAD, TRIM, USE)),
    ]
    operator: list[Callable[[S3Store], object]] = [
        lambda store: store.check(),
        lambda store: list(store.list("jobs/n/")),
        lambda store: store.sweep_unfinished(timedelta(0)),
        *(put(key) for key in (MARKER, USE)),
        *(read(key) for key in (RESULT, MARKER)),
        *(delete(key) for key in (UPLOAD, USE)),
        lambda store: store.delete_prefix("jobs/n/u/"),
    ]
    denied = {
        "api": [put(RESULT), put(MARKER), put(IMPORT), delete(RESULT), delete(MARKER), delete(IMPORT), read(MARKER)],
        "operator": [put(UPLOAD), put(RESULT), put(TRIM), put(IMPORT), delete(IMPORT), read(IMPORT)],
        "grants": [
            lambda store: store.check(),
            lambda store: list(store.list("")),
            *(put(key) for key in everything),
            *(delete(key) for key in everything),
        ],
    }
    for role, calls in denied.items():
        for call in calls:
            with pytest.raises(StoreUnavailableError, match="refuses our credentials"):
                call(S3Store(keys[role]))
    for role, calls in {"api": api, "operator": operator}.items():
        for call in calls:
            call(S3Store(keys[role]))


def test_grants_carry_the_key_of_grants_and_work(keys: dict[str, StoreSettings]) -> None:
    for key in (UPLOAD, RESULT, IMPORT):
        put(key)(S3Store(keys["root"]))
    operator = S3Store(keys["operator"])
    form = operator.grant_write("jobs/n/u/optimize/1/", HOUR, BIG)
    download = S3Store(keys["api"]).grant_download(RESULT, HOUR, "audio/mpeg", "attachment")
    reads = [operator.grant_read(key, HOUR).url for key in (UPLOAD, RESULT, IMPORT)]
    assert download is not None
    with httpx.Client(trust_env=False, timeout=20) as http:
        assert [http.get(url).content for url in (download, *reads)] == [b"\0"] * 4
        sent = http.post(form.url, data={**form.fields, "key": RESULT}, files={"file": b"mp3"})
        assert sent.status_code == 204
        elsewhere = operator.grant_write("uploads/n/", HOUR, BIG)
        refused = http.post(elsewhere.url, data={**elsewhere.fields, "key": UPLOAD}, files={"file": b"mp3"})
        assert refused.status_code == 403
        assert http.get(operator.grant_read("installations/n/i.json", HOUR).url).status_code == 403
    for text in (download, *reads, str(form.fields)):
        assert "key-of-grants" in text
        assert not any(keys[role].s3_access_key in text for role in ("root", "api", "operator"))
