"""Which bodies the signature of a request to S3 covers. Real servers accept both kinds."""

import hashlib

import pytest
from minio.credentials.credentials import Credentials
from minio.helpers import DictType

from whisperjob.stores.s3_signing import Client, unsigned_body

BODY = b"a part"


def headers(given: DictType | None, *, secure: bool, body: bytes | None = BODY) -> DictType:
    client = Client("store:9000", access_key="key", secret_key="secret", secure=secure)
    built, _ = client._build_headers("store:9000", given, body, Credentials("key", "secret"))
    return built


@pytest.mark.parametrize("secure", [False, True])
def test_a_part_is_sent_without_hashing_it(secure: bool) -> None:
    built = headers(unsigned_body(), secure=secure)
    assert built["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
    assert built["Content-Length"] == str(len(BODY))
    assert "Content-MD5" not in built


@pytest.mark.parametrize("given", [None, {}, {"Content-Type": "audio/mpeg"}])
def test_everything_else_is_signed_with_its_body(given: DictType | None) -> None:
    assert headers(given, secure=False)["x-amz-content-sha256"] == hashlib.sha256(BODY).hexdigest()


def test_over_tls_the_client_protects_the_body_by_md5() -> None:
    assert "Content-MD5" in headers(None, secure=True)
