"""How the API shows records."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from support.builders import a_job, a_manifest
from whisperjob.model.phase import Phase
from whisperjob_api import views
from whisperjob_api.downloads import format_disposition


@pytest.mark.parametrize(
    ("size_bytes", "megabytes"),
    [
        (0, 0.0),
        (1_048_576, 1.0),
        (1_000_000, 1.0),
        (20_971_520, 20.0),
        (47_395_635, 45.2),
        (52_428, 0.0),
        (52_430, 0.1),
    ],
)
def test_a_megabyte_is_1048576_bytes_to_one_decimal(size_bytes: int, megabytes: float) -> None:
    assert views.to_megabytes(size_bytes) == megabytes


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 2, 12, 10, tzinfo=UTC), "2026-02-12T10:00:00.000Z"),
        (datetime(2026, 2, 12, 10, 0, 0, 123_999, tzinfo=UTC), "2026-02-12T10:00:00.123Z"),
        (datetime(2026, 2, 12, 10, tzinfo=timezone(timedelta(hours=2))), "2026-02-12T08:00:00.000Z"),
    ],
)
def test_times_are_utc_with_milliseconds(moment: datetime, text: str) -> None:
    assert views.format_timestamp(moment) == text


def test_a_name_given_by_kubectl_is_a_fine_id() -> None:
    assert views.to_accepted(a_job(name="talk")).status_url == "/job/talk"


def test_only_completed_jobs_list_chunks() -> None:
    assert "chunks" not in views.to_job_view(a_job(phase=Phase.PROCESSING)).model_dump(exclude_unset=True)
    (chunk,) = views.to_chunks("talk", a_manifest((24_000,), size_bytes=15_938_355).chunks)
    assert (chunk.size_mb, chunk.duration_seconds, chunk.download_url) == (15.2, 1.5, "/job/talk/download/output.mp3")


@pytest.mark.parametrize(
    ("original", "filename", "plain"),
    [
        ("talk.mp4", "output.mp3", "talk.mp3"),
        ("talk.final.mp4", "chunk_001.mp3", "talk.final.chunk_001.mp3"),
        ("talk", "trimmed.mp3", "talk.trimmed.mp3"),
        ("", "output.mp3", "output.mp3"),
        ("../../etc/passwd", "output.mp3", "passwd.mp3"),
        ('a"; x=".mp4', "output.mp3", "a__ x=_.mp3"),
        (".mp4", "output.mp3", "mp4.mp3"),
    ],
)
def test_downloads_are_named_after_the_recording(original: str, filename: str, plain: str) -> None:
    assert f'filename="{plain}"' in format_disposition(original, filename)
