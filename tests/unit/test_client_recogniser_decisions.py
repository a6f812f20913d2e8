"""Recognisers as they are: languages, addresses, refusals, what is requested next, bodies and limits, as tables."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from whisperjob_client.errors import SpeechError, UsageError
from whisperjob_client.speech.answer_bodies import read_answer
from whisperjob_client.speech.endpoints import auth_headers, endpoint_urls, redirect_target, shown
from whisperjob_client.speech.languages import iso_code, parse_language
from whisperjob_client.speech.recogniser import (
    SpeechLimitedError,
    SpeechOptions,
    SpeechTooLongError,
    SpeechUnavailableError,
)
from whisperjob_client.speech.refusals import read_refusal, to_error
from whisperjob_client.speech.request_shapes import FIRST_SHAPE, AnswerFormat, RequestShape, decide_fallback
from whisperjob_client.transcription.file_recognition import narrower_limit

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("spelling", "code"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("English", "en"),
        ("english ", "en"),
        ("en-US", "en"),
        ("en_GB.UTF-8", "en"),
        ("eng", "en"),
        ("pt_BR", "pt"),
        ("ger", "de"),
        ("deu", "de"),
        ("Deutsch", "de"),
        ("français", "fr"),
        ("日本語", "ja"),
        ("zh-Hant-TW", "zh"),
        ("Chinese (Simplified)", "zh"),
        ("Mandarin", "zh"),
        ("cmn", "zh"),
        ("yue", "yue"),
        ("Cantonese", "yue"),
        ("nb", "no"),
        ("iw", "he"),
        ("jv", "jw"),
        ("tl", "tl"),
        ("haw", "haw"),
        ("gsw", "gsw"),
        ("Haitian Creole", "ht"),
        ("haitian_creole", "ht"),
        ("auto", None),
        ("", None),
        (None, None),
    ],
)
def test_a_language_in_any_spelling(spelling: str | None, code: str | None) -> None:
    assert parse_language(spelling) == code
    assert SpeechOptions("m", language=spelling).language == code


@pytest.mark.parametrize(
    ("spelling", "sentence"),
    [
        ("klingon", "'klingon' is no language; give a code such as en or de."),
        ("Englisch", "'Englisch' is no language; did you mean en (english)?"),
        ("xx", "'xx' is no language; give a code such as en or de."),
        ("en;drop table", "'en;drop table' is no language; give a code such as en or de."),
        ("qaa", "'qaa' is no language; give a code such as en or de."),
        ("mul", "'mul' is no language; give a code such as en or de."),
        ("12", "'12' is no language; give a code such as en or de."),
    ],
)
def test_nonsense_is_no_language(spelling: str, sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_language(spelling)
    assert raised.value.message == sentence


@pytest.mark.parametrize(
    ("answered", "code"),
    [("english", "en"), ("English", "en"), ("en", "en"), ("jw", "jv"), ("<|en|>", None), ("", None), ("auto", None)],
)
def test_the_language_of_an_answer_is_an_iso_code_or_unknown(answered: str, code: str | None) -> None:
    assert iso_code(answered) == code


AZURE = "https://me.openai.azure.com/openai/deployments/my-whisper"


@pytest.mark.parametrize(
    ("url", "endpoints"),
    [
        ("http://host:8000/v1", ["http://host:8000/v1/audio/transcriptions"]),
        ("http://host:8000/v1/", ["http://host:8000/v1/audio/transcriptions"]),
        (" http://host:8000/v1// ", ["http://host:8000/v1/audio/transcriptions"]),
        ("http://host/v1/audio/transcriptions", ["http://host/v1/audio/transcriptions"]),
        ("http://host/v1/audio/transcriptions/", ["http://host/v1/audio/transcriptions"]),
        ("http://host/v1/chat/completions", ["http://host/v1/audio/transcriptions"]),
        ("http://host/v1/models", ["http://host/v1/audio/transcriptions"]),
        ("http://host:8080/inference", ["http://host:8080/inference"]),
        (
            "http://host",
            ["http://host/v1/audio/transcriptions", "http://host/audio/transcriptions", "http://host/inference"],
        ),
        (
            "http://host/api",
            ["http://host/api/audio/transcriptions", "http://host/api/v1/audio/transcriptions", "http://host/api"],
        ),
        ("https://host/v1?key=a&b=c#top", ["https://host/v1/audio/transcriptions?key=a&b=c"]),
        ("https://host/openai/v1", ["https://host/openai/v1/audio/transcriptions"]),
        ("https://host/v1beta/openai", ["https://host/v1beta/openai/audio/transcriptions"]),
        (f"{AZURE}?api-version=2024-10-21", [f"{AZURE}/audio/transcriptions?api-version=2024-10-21"]),
        (
            f"{AZURE}/audio/transcriptions?api-version=2024-10-21",
            [f"{AZURE}/audio/transcriptions?api-version=2024-10-21"],
        ),
        (
            "https://me.openai.azure.com/openai/v1/",
            ["https://me.openai.azure.com/openai/v1/audio/transcriptions"],
        ),
    ],
)
def test_the_endpoints_of_an_address(url: str, endpoints: list[str]) -> None:
    assert endpoint_urls(url) == endpoints


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("host:8000", "is no URL"),
        ("", "is no URL"),
        ("file:///etc/passwd", "is no URL"),
        ("http://", "is no URL"),
        ("http://host:port/v1", "is no URL"),
        ("https://me.openai.azure.com", "the deployment is missing"),
        ("https://me.openai.azure.com/openai/deployments/", "the deployment is missing"),
        (AZURE, r"\?api-version=… is missing"),
        (f"{AZURE}/audio/transcriptions", r"\?api-version=… is missing"),
    ],
)
def test_an_unusable_address_is_refused_before_anything_is_sent(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        endpoint_urls(url)


@pytest.mark.parametrize(
    ("url", "key", "headers"),
    [
        ("http://host/v1", "sk-1", {"Authorization": "Bearer sk-1"}),
        ("http://host/v1", " sk-1\n", {"Authorization": "Bearer sk-1"}),
        ("http://host/v1", None, {}),
        ("http://host/v1", "", {}),
        (AZURE, "0123", {"api-key": "0123"}),
        ("https://gateway.azure-api.net/x", "0123", {"api-key": "0123"}),
        ("https://proxy/openai/deployments/w/audio/transcriptions", "0123", {"api-key": "0123"}),
        (AZURE, "eyJ0.a.b", {"Authorization": "Bearer eyJ0.a.b"}),
    ],
)
def test_how_the_key_is_sent(url: str, key: str | None, headers: dict[str, str]) -> None:
    assert auth_headers(httpx.URL(url), key) == headers


@pytest.mark.parametrize("key", ["schlüssel", "two words", "a\nb"])
def test_a_key_that_cannot_be_sent_is_refused(key: str) -> None:
    with pytest.raises(UsageError):
        auth_headers(httpx.URL("http://host"), key)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://host/v1/x", "https://host/v1/x"),
        ("/asr/v1/x", "http://host/asr/v1/x"),
        ("http://host:99/v1/x", None),
        ("https://elsewhere/v1/x", None),
        ("//elsewhere/x", None),
    ],
)
def test_the_key_follows_a_redirect_only_on_its_host(location: str, target: str | None) -> None:
    followed = redirect_target(httpx.URL("http://host/v1/x"), location)
    assert followed == (None if target is None else httpx.URL(target))


def test_a_redirect_never_leads_out_of_https() -> None:
    assert redirect_target(httpx.URL("https://host/x"), "http://host/x") is None


def test_an_address_is_shown_without_secrets() -> None:
    assert shown("https://me:secret@host:81/v1?key=secret") == "https://host:81/v1"


def error_of(status: int, body: object, headers: dict[str, str] | None = None) -> SpeechError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return to_error(read_refusal(status, "Reason", headers or {}, content, NOW))


def openai(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "invalid_request_error", "code": code}}


QUOTA = "You exceeded your current quota, please check your plan and billing details."
GROQ_LIMIT = (
    "Rate limit reached for model `whisper-large-v3` in organization `org_1` on seconds of audio per hour (ASPH): "
    "Limit 7200, Used 7100, Requested 600. Please try again in 4m10.5s. Need more? Upgrade at "
    "https://console.groq.com/settings/billing"
)


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind"),
    [
        pytest.param(429, openai("Rate limit reached"), {"retry-after": "7"}, SpeechLimitedError, id="a limit"),
        pytest.param(429, openai(GROQ_LIMIT, "rate_limit_exceeded"), {}, SpeechLimitedError, id="Groq's limit"),
        pytest.param(429, openai(QUOTA, "insufficient_quota"), {}, SpeechError, id="no credit"),
        pytest.param(429, openai(QUOTA, "insufficient_quota"), {"retry-after": "60"}, SpeechError, id="still none"),
        pytest.param(429, openai(QUOTA), {"retry-after": "38"}, SpeechLimitedError, id="a quota that comes back"),
        pytest.param(429, openai("x", "billing_hard_limit_reached"), {}, SpeechError, id="a billing limit"),
        pytest.param(402, {"detail": "Pay"}, {}, SpeechError, id="402"),
        pytest.param(500, b"oops", {}, SpeechUnavailableError, id="500"),
        pytest.param(
            503, {"error": {"code": 503, "message": "Loading model"}}, {}, SpeechUnavailableError, id="loading"
        ),
        pytest.param(503, b"", {"retry-after": "20"}, SpeechLimitedError, id="503 with a time"),
        pytest.param(408, b"", {}, SpeechUnavailableError, id="a timeout"),
        pytest.param(404, openai("The model `x` does not exist"), {}, SpeechError, id="no such model"),
        pytest.param(
            500, {"error": {"message": "could not load model: x"}}, {}, SpeechError, id="no such model, as 500"
        ),
        pytest.param(401, openai("Incorrect API key"), {}, SpeechError, id="a wrong key"),
        pytest.param(413, b"<html><title>413 Too Large</title></html>", {}, SpeechTooLongError, id="a proxy's limit"),
        pytest.param(400, openai("Maximum file size exceeded"), {}, SpeechTooLongError, id="vLLM's limit"),
        pytest.param(400, openai("could not process file"), {}, SpeechError, id="a broken file"),
        pytest.param(400, openai("Audio file is too short."), {}, SpeechError, id="too short is not too long"),
    ],
)
def test_what_a_refusal_means(status: int, body: object, headers: dict[str, str], kind: type[SpeechError]) -> None:
    assert type(error_of(status, body, headers)) is kind


@pytest.mark.parametrize(
    ("body", "headers", "seconds"),
    [
        (openai("x"), {"retry-after": "7"}, 7),
        (openai("x"), {"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        (openai(GROQ_LIMIT), {}, 250.5),
        (openai("Please retry after 20 seconds."), {}, 20),
        (openai("Please try again in 350ms."), {}, 0.35),
        (openai("Please try again in 1h2m3s."), {}, 3723),
        (openai("slow down"), {}, None),
        (openai("slow down"), {"retry-after": "nan"}, None),
    ],
)
def test_how_long_a_refusal_asks_to_wait(body: object, headers: dict[str, str], seconds: float | None) -> None:
    error = error_of(429, body, headers)
    assert isinstance(error, SpeechLimitedError)
    assert error.retry_after_seconds == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (401, openai("Invalid API Key"), "401: Invalid API Key. Check the recogniser's key."),
        (401, {"statusCode": 401, "message": "Access denied."}, "401: Access denied. Check the recogniser's key."),
        (400, {"object": "error", "message": "Bad.", "code": 400}, "400: Bad."),
        (400, {"error": "failed to read WAV file"}, "400: failed to read WAV file"),
        (422, {"detail": [{"loc": ["body", "model"], "msg": "Field required"}]}, "422: model: Field required"),
        (500, b"500 Internal Server Error\nboom", "500: 500 Internal Server Error boom"),
        (502, b"<html><head><title>502 Bad Gateway</title></head></html>", "502: an HTML page (502 Bad Gateway)"),
        (400, b"", "400: Reason"),
        (400, openai("a\x1b[31mb\nc" + "d" * 400), f"400: a[31mb c{'d' * 292}"),
        (
            429,
            openai(QUOTA, "insufficient_quota"),
            f"429: {QUOTA} The account has no credit left; waiting does not help.",
        ),
        (
            404,
            {"detail": "Model 'x' is not installed locally."},
            "404: Model 'x' is not installed locally. Choose a model that the server has (--model).",
        ),
    ],
)
def test_a_refusal_is_one_sentence_for_people(status: int, body: object, sentence: str) -> None:
    assert error_of(status, body).message == f"The speech recogniser answered {sentence}"


LIMITS = "audio duration 1830.5 seconds is longer than 1400 seconds which is the maximum for this model"


@pytest.mark.parametrize(
    ("status", "body", "longest"),
    [
        pytest.param(400, openai(LIMITS), 1400 * 0.97, id="OpenAI, by length"),
        pytest.param(400, openai("Audio duration exceeds the maximum of 10 minutes"), 600 * 0.97, id="minutes"),
        pytest.param(
            413,
            openai("Maximum content size limit (7000000) exceeded (14000000 bytes read)"),
            1800 * (7_000_000 * 0.97 - 4096) / 14_000_000,
            id="OpenAI, by size",
        ),
        pytest.param(413, {"detail": "File too large, max 7 MB"}, 1800 * (7e6 * 0.97 - 4096) / 14e6, id="megabytes"),
        pytest.param(413, b"<html><title>413</title></html>", 1800 * 0.6, id="unknown"),
        pytest.param(
            400, openai("audio too long: maximum duration is 9000 s"), 1800 * 0.6, id="a limit that is no limit"
        ),
    ],
)
def test_the_longest_file_after_a_refusal(status: int, body: object, longest: float) -> None:
    error = error_of(status, body)
    assert isinstance(error, SpeechTooLongError)
    assert narrower_limit(error, 1800.0, 14_000_000) == pytest.approx(longest)


F = AnswerFormat
NOT_VERBOSE = "response_format 'verbose_json' is not compatible with model 'gpt-4o-transcribe'. Use 'json' or 'text'."


@pytest.mark.parametrize(
    ("shape", "status", "body", "expected"),
    [
        pytest.param(FIRST_SHAPE, 400, openai(NOT_VERBOSE), RequestShape(F.JSON), id="no verbose_json"),
        pytest.param(
            FIRST_SHAPE,
            400,
            {"object": "error", "message": "Currently only support response_format `text` or `json`"},
            RequestShape(F.JSON),
            id="vLLM before 0.11",
        ),
        pytest.param(
            FIRST_SHAPE,
            422,
            {"detail": [{"loc": ["body", "timestamp_granularities[]"], "msg": "Extra inputs are not permitted"}]},
            RequestShape(F.SEGMENTS),
            id="no word times, as FastAPI says it",
        ),
        pytest.param(
            FIRST_SHAPE, 500, b"AssertionError: timestamp_granularities", RequestShape(F.SEGMENTS), id="by a traceback"
        ),
        pytest.param(
            FIRST_SHAPE,
            400,
            openai("chunking_strategy is required for diarization models"),
            RequestShape(cut_by_server=True),
            id="a required field",
        ),
        pytest.param(
            FIRST_SHAPE,
            400,
            openai("verbose_json is not compatible with gpt-4o-transcribe-diarize; use diarized_json"),
            RequestShape(F.SPEAKERS),
            id="diarized_json",
        ),
        pytest.param(FIRST_SHAPE, 400, openai("Prompt is not supported"), RequestShape(prompt=False), id="no prompt"),
        pytest.param(
            FIRST_SHAPE,
            400,
            openai("Unsupported parameter: temperature"),
            RequestShape(temperature=False),
            id="sampling",
        ),
        pytest.param(
            RequestShape(F.JSON), 400, openai("response_format must be text"), RequestShape(F.TEXT), id="text"
        ),
        pytest.param(RequestShape(F.TEXT), 400, openai("response_format: no"), None, id="nothing is left"),
        pytest.param(FIRST_SHAPE, 400, b"Invalid request", RequestShape(F.SEGMENTS), id="unspecific: a step down"),
        pytest.param(RequestShape(F.SEGMENTS), 501, b"", RequestShape(F.JSON), id="unspecific: another"),
        pytest.param(FIRST_SHAPE, 400, openai("Invalid language 'yue'"), None, id="the language"),
        pytest.param(FIRST_SHAPE, 400, openai("could not process file"), None, id="the file"),
        pytest.param(FIRST_SHAPE, 401, openai("response_format"), None, id="a wrong key"),
        pytest.param(FIRST_SHAPE, 429, openai("response_format"), None, id="a limit"),
        pytest.param(FIRST_SHAPE, 500, b"oops", None, id="a failure that may pass"),
        pytest.param(FIRST_SHAPE, 400, openai(LIMITS), None, id="too long"),
        pytest.param(FIRST_SHAPE, 400, openai("The model `x` does not exist"), None, id="no such model"),
    ],
)
def test_what_is_requested_after_a_refusal(
    shape: RequestShape, status: int, body: object, expected: RequestShape | None
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    fallback = decide_fallback(shape, read_refusal(status, "", {}, content, NOW), succeeded=False)
    assert (fallback.shape if fallback else None) == expected


def test_an_unspecific_refusal_is_about_the_file_once_another_was_accepted() -> None:
    refusal = read_refusal(400, "", {}, b"Invalid request", NOW)
    assert decide_fallback(FIRST_SHAPE, refusal, succeeded=True) is None


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        pytest.param(b'{"text": "a"}', {"text": "a"}, id="JSON"),
        pytest.param(b'\xef\xbb\xbf{"text": "a"}', {"text": "a"}, id="with a BOM"),
        pytest.param('{"text": "a"}'.encode("utf-16"), {"text": "a"}, id="UTF-16"),
        pytest.param(b" Hello there.\n", {"text": "Hello there."}, id="plain text"),
        pytest.param(b'"Hello there."', {"text": "Hello there."}, id="a JSON string"),
        pytest.param(b"", {"text": ""}, id="nothing was said"),
        pytest.param(b"<laughs> Hello", {"text": "<laughs> Hello"}, id="text that begins with a bracket"),
        pytest.param(b"[music]", {"text": "[music]"}, id="text that looks like a list"),
        pytest.param(b'{"error": null, "text": "a"}', {"error": None, "text": "a"}, id="an error that is none"),
        pytest.param(b'"{\\"text\\": \\"a\\"}"', {"text": "a"}, id="JSON inside a JSON string"),
        pytest.param(
            b"1\r\n00:00:01,500 --> 00:00:02,000\r\nHello\r\nthere.\r\n\r\n"
            b"2\r\n00:01:02,000 --> 00:01:03,000\r\nYes.\r\n",
            {
                "text": "Hello there. Yes.",
                "segments": [
                    {"start": "00:00:01,500", "end": "00:00:02,000", "text": "Hello there."},
                    {"start": "00:01:02,000", "end": "00:01:03,000", "text": "Yes."},
                ],
            },
            id="SubRip",
        ),
        pytest.param(
            b"WEBVTT\n\n00:01.500 --> 00:02.000 align:start\n<v Anna>A &amp; B\n",
            {"text": "A & B", "segments": [{"start": "00:01.500", "end": "00:02.000", "text": "A & B"}]},
            id="WebVTT",
        ),
        pytest.param(b"Type a --> b.", {"text": "Type a --> b."}, id="an arrow is no subtitle"),
        pytest.param(b'{"text": "a\\ud83d b"}', {"text": "a\ufffd b"}, id="half a character"),
    ],
)
def test_the_body_of_an_answer(content: bytes, answer: dict[str, Any]) -> None:
    assert read_answer(content) == answer


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        pytest.param(b'{"error": "failed to read WAV file"}', SpeechError, "failed to read WAV", id="whisper.cpp's"),
        pytest.param(b'{"error": {"message": "Busy", "code": 429}}', SpeechLimitedError, "429: Busy", id="a limit"),
        pytest.param(b'{"error": {"message": "Down", "code": 502}}', SpeechUnavailableError, "502: Down", id="a 502"),
        pytest.param(b'{"error": "no", "text": ""}', SpeechError, "no", id="an error beside an empty text"),
        pytest.param(b'{"detail": "Not Found"}', SpeechError, "Not Found", id="FastAPI's"),
        pytest.param(b'{"message": "quota"}', SpeechError, "quota", id="a message alone"),
        pytest.param(
            b"<!DOCTYPE html><title>Open WebUI</title>", SpeechError, r"an HTML page \(Open WebUI\)", id="a page"
        ),
        pytest.param(b"\n<html><body>Login</body>", SpeechError, "an HTML page instead", id="a page without title"),
        pytest.param(b'{"text": "cut of', SpeechError, "JSON that cannot be read", id="cut off"),
        pytest.param(b'data: {"type": "transcript.text.delta"}', SpeechError, "a stream of events", id="a stream"),
        pytest.param(b"[1, 2]", SpeechError, "no transcription", id="a list"),
        pytest.param(b"17", SpeechError, "no transcription", id="a number"),
    ],
)
def test_what_is_no_transcription_is_refused_with_a_sentence(
    content: bytes, kind: type[SpeechError], words: str
) -> None:
    with pytest.raises(SpeechError, match=words) as raised:
        read_answer(content)
    assert type(raised.value) is kind
