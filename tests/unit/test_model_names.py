"""Names that several parts must agree on."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisperjob.model import names
from whisperjob.model.phase import Stage


@pytest.mark.parametrize(
    ("filename", "extension"),
    [
        ("talk.mp4", "mp4"),
        ("TALK.G722", "g722"),
        ("archive.tar.gz", "gz"),
        ("no extension", ""),
        (".hidden", "hidden"),
        ("dot.", ""),
        ("a.m3u8/../../etc/passwd", ""),
        ("x.mp4;rm -rf", ""),
        ("x.verylongextension", ""),
        ("x.mp\u0664", ""),
        ("", ""),
    ],
)
def test_the_extension_is_harmless(filename: str, extension: str) -> None:
    assert names.safe_extension(filename) == extension


@given(st.text())
def test_any_filename_can_be_shown(filename: str) -> None:
    shown = names.display_filename(filename)
    assert len(shown.encode()) <= 255
    assert not re.search(r"[\x00-\x1f\x7f-\x9f/\\\\\u2028\u202e]", shown)
    assert names.display_filename(shown) == shown


@given(st.text(min_size=1), st.integers(1, 400))
def test_a_long_filename_keeps_its_extension(stem: str, times: int) -> None:
    assert names.display_filename(stem * times + "x.mp3").endswith(".mp3")


@given(st.text(), st.text(), st.text(), st.text())
def test_an_idempotency_key_names_one_job_of_one_tenant(a: str, b: str, key_a: str, key_b: str) -> None:
    same = names.idempotent_job_name(a, key_a) == names.idempotent_job_name(b, key_b)
    assert same == ((a, key_a) == (b, key_b)) or "\0" in a + b
    assert names.is_job_name(names.idempotent_job_name(a, key_a))


def test_owners_are_read_back_from_keys() -> None:
    upload = names.new_upload_key("ns", "talk")
    assert names.upload_owner(upload) == ("ns", "talk")
    assert names.job_owner(names.attempt_prefix("ns", "uid", Stage.OPTIMIZE, 3) + "x.mp3") == ("ns", "uid")
    assert names.job_owner(names.trim_key("ns", "uid")) == ("ns", "uid")
    assert names.job_owner(upload) is None
    assert names.upload_owner(names.trim_key("ns", "uid")) is None


def test_workers_have_names_that_kubernetes_takes_and_that_never_repeat() -> None:
    made = {names.worker_name(uid, stage, n) for uid in ("a", "b" * 36) for stage in Stage for n in (1, 2, 999_999)}
    assert len(made) == 12
    assert all(names.is_job_name(name) for name in made)
