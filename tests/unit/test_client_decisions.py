"""The decisions of the client, as tables: retries, waits, pace, the places of files."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whisperjob_cli.config import config_file, load_config
from whisperjob_cli.exit_codes import exit_code
from whisperjob_client.api.polling import LONGEST_SECONDS, Patience, Poll
from whisperjob_client.api.responses import retry_after
from whisperjob_client.api.retrying import RetryPolicy, retry_delay
from whisperjob_client.backoff import Backoff
from whisperjob_client.connection import Connection
from whisperjob_client.errors import (
    ClientError,
    DiarizationFailedError,
    JobFailedError,
    SpeechError,
    StoppedError,
    UnreachableError,
    UsageError,
    WaitTimeoutError,
    api_error,
)
from whisperjob_client.options import UploadOptions
from whisperjob_client.speech.rate_limits import HOUR, MINUTE, UNLIMITED, Limits, Pace
from whisperjob_client.transfer.uploading import build_upload

POLICY = RetryPolicy(attempts=3, base_seconds=1, cap_seconds=3, longest_wait_seconds=60)
LOST = UnreachableError("gone")


@pytest.mark.parametrize(
    ("error", "repeatable", "may_have_arrived", "tried_again"),
    [
        pytest.param(LOST, True, True, True, id="a safe request whose answer was lost"),
        pytest.param(LOST, False, True, False, id="an unsafe one that may have arrived"),
        pytest.param(LOST, False, False, True, id="an unsafe one that never left"),
        pytest.param(api_error(503, "unavailable", "", 1), False, True, True, id="an unsafe one refused with a time"),
        pytest.param(api_error(503, "http_503", ""), False, True, False, id="an unsafe one, a proxy's 503"),
        pytest.param(api_error(429, "too_many_jobs", ""), False, True, True, id="429 had no effect"),
        pytest.param(api_error(502, "http_502", ""), True, True, True, id="a proxy without a server"),
        pytest.param(api_error(500, "internal", ""), True, True, True, id="500"),
        pytest.param(api_error(503, "unavailable", "", 61), True, True, False, id="longer than anyone would wait"),
        pytest.param(api_error(503, "diarization_unavailable", ""), True, True, False, id="no diarizer, ever"),
        pytest.param(api_error(507, "insufficient_storage", "", 60), True, True, False, id="no room"),
        pytest.param(api_error(409, "conflict", "", 1), True, True, True, id="changed meanwhile"),
        pytest.param(api_error(409, "not_completed", ""), True, True, False, id="not completed"),
        pytest.param(api_error(401, "unauthorized", ""), True, True, False, id="a wrong key"),
        pytest.param(api_error(422, "invalid_request", "", 1), True, True, False, id="nonsense"),
    ],
)
def test_what_is_tried_again(error: ClientError, repeatable: bool, may_have_arrived: bool, tried_again: bool) -> None:
    delay = retry_delay(POLICY, error, failures=1, repeatable=repeatable, may_have_arrived=may_have_arrived, chance=0.5)
    assert (delay is not None) == tried_again


@pytest.mark.parametrize(
    ("failures", "retry_after_seconds", "chance", "delay"),
    [(1, None, 0, 0.5), (1, None, 1, 1), (2, None, 1, 2), (1, 10, 0, 10), (1, 0, 0, 0.5), (3, None, 0, None)],
)
def test_how_long_before_the_next_try(
    failures: int, retry_after_seconds: float | None, chance: float, delay: float | None
) -> None:
    error = api_error(503, "unavailable", "", retry_after_seconds)
    waited = retry_delay(POLICY, error, failures=failures, repeatable=True, may_have_arrived=True, chance=chance)
    assert waited == delay


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("0.5", 0.5),
        ("-1", 0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
    ],
)
def test_retry_after_in_either_form(value: str, seconds: float | None) -> None:
    assert retry_after({"retry-after": value}, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


def test_backoff_grows_to_its_cap_and_jitter_only_shortens_it() -> None:
    backoff = Backoff(1, 10, growth=3, jitter=0.5)
    assert [backoff.wait(failures) for failures in (0, 1, 2, 3, 4, 10_000)] == [1, 1, 3, 9, 10, 10]
    assert backoff.wait(2, chance=0) == 1.5


def test_polling_is_quick_while_the_state_changes_and_slow_while_it_does_not() -> None:
    poll = Poll(Patience(), now=0)
    moving = [poll.after_state(progress, progress) for progress in range(5)]
    standing = [poll.after_state(4, now) for now in range(30)]
    assert max(moving) < 0.5
    assert standing == sorted(standing)
    assert standing[-1] == LONGEST_SECONDS
    assert poll.after_state(5, 40) < 0.5


def test_a_restart_is_waited_out_but_not_for_ever() -> None:
    poll = Poll(Patience(restart_seconds=100), now=0)
    poll.after_state("queued", 50)
    for now in (60, 149):
        assert poll.after_error(LOST, now) > 0
    with pytest.raises(UnreachableError):
        poll.after_error(LOST, 150)
    with pytest.raises(ClientError, match="wrong"):
        poll.after_error(api_error(401, "unauthorized", "wrong"), 51)


def test_a_wait_ends_when_the_time_is_up() -> None:
    poll = Poll(Patience(total_seconds=10), now=100)
    assert poll.after_state("queued", 109.9) == pytest.approx(0.1)
    with pytest.raises(WaitTimeoutError):
        poll.after_state("queued", 110)


@given(st.lists(st.tuples(st.floats(0, 400), st.floats(0, 2700)), min_size=1, max_size=60))
def test_no_window_ever_holds_more_than_the_account_allows(files: list[tuple[float, float]]) -> None:
    """Files come at any time and wait as long as `delay` says; no file waits for ever."""
    limits = Limits(requests_per_minute=5, audio_seconds_per_hour=3000)
    pace, now, sent = Pace(limits), 1_700_000_000.0, []
    for gap, seconds in files:
        now += gap
        for _ in range(100):
            wait = pace.delay(now, seconds)
            if wait == 0:
                break
            now += wait
        else:
            pytest.fail("it waits for ever")
        sent.append(pace.book(now, seconds))
    for index, last in enumerate(sent):
        minute = [b for b in sent[: index + 1] if b.at > last.at - MINUTE + 0.001]
        hour = [b.seconds for b in sent[: index + 1] if b.at > last.at - HOUR + 0.001]
        assert len(minute) <= 5
        assert sum(hour) <= 3000 + 1e-6


def test_the_base_tier_makes_three_hours_wait_for_one() -> None:
    """Two hours go at once; each chunk of the third waits until as much of the first hour's has aged."""
    assert Pace(Limits()).forecast(0, [1800.0] * 6) == 3600
    assert Pace(UNLIMITED).forecast(0, [1800.0] * 60) == 0
    assert Pace(Limits()).forecast(0, [1.0] * 21) == 60


def test_a_refusal_pauses_everything_and_does_not_count() -> None:
    pace = Pace(Limits(requests_per_minute=1, audio_seconds_per_hour=None))
    booking = pace.book(100, 30)
    pace.unbook(booking)
    pace.pause(107)
    assert pace.delay(100, 30) == 7
    assert pace.delay(107, 30) == 0


def test_a_chunk_longer_than_the_limit_goes_when_the_window_is_free() -> None:
    pace = Pace(Limits(None, 600))
    assert pace.delay(0, 2600) == 0
    pace.book(0, 2600)
    assert pace.delay(10, 2600) == HOUR - 10


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ClientError("x"), 1),
        (UsageError("x"), 2),
        (UnreachableError("x"), 3),
        (api_error(503, "unavailable", "x"), 3),
        (WaitTimeoutError("x"), 3),
        (api_error(401, "unauthorized", "x"), 4),
        (api_error(404, "not_found", "x"), 5),
        (JobFailedError("a", "no_audio", "x"), 6),
        (DiarizationFailedError("a", "diarization_failed", "x"), 6),
        (SpeechError("x"), 7),
        (StoppedError("x"), 130),
        (api_error(409, "not_completed", "x"), 1),
    ],
)
def test_exit_codes(error: ClientError, code: int) -> None:
    assert exit_code(error) == code


def test_the_environment_names_the_configuration_file(tmp_path: Path) -> None:
    assert config_file({"XDG_CONFIG_HOME": "/x"}) == Path("/x/whisperjob/config.toml")
    assert load_config({"XDG_CONFIG_HOME": str(tmp_path)}).server is None
    file = tmp_path / "c.toml"
    file.write_text('server = "https://host"\napi_key = "k"\n[asr]\nrequests_per_minute = 0\n')
    config = load_config({"WHISPERJOB_CONFIG": str(file)})
    assert (config.server, config.api_key, config.asr.requests_per_minute) == ("https://host", "k", 0)
    assert "'k'" not in repr(config)
    assert "'k'" not in repr(Connection(api_key="k"))


@pytest.mark.parametrize(
    ("text", "message"),
    [("sever = 1", "sever"), ("= =", "config"), ('server = ["a"]', "server"), (None, "no such file")],
)
def test_a_broken_configuration_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "config.toml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError, match=message):
        load_config({"WHISPERJOB_CONFIG": str(file)})


def test_an_upload_has_its_length_and_an_escaped_name(tmp_path: Path) -> None:
    file = tmp_path / 'a "b"\r\n.mp3'
    file.write_bytes(b"12345")
    upload = build_upload(file, UploadOptions(profile="light", max_chunk_seconds=90), "key")
    assert int(upload.headers["Content-Length"]) == len(upload.head) + 5 + len(upload.tail)
    assert b'filename="a %22b%22%0D%0A.mp3"' in upload.head
    assert upload.head.index(b'"profile"\r\n\r\nlight\r\n') < upload.head.index(b'name="file"')
    assert upload.repeatable
    assert not build_upload(file, UploadOptions(), None).repeatable


def test_what_cannot_be_uploaded_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    empty = tmp_path / "empty.wav"
    empty.touch()
    for file, message in ((empty, "is empty"), (tmp_path, "is not a file"), (tmp_path / "none", "No such file")):
        with pytest.raises(UsageError, match=message):
            build_upload(file, UploadOptions(), None)
