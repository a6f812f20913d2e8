"""Recognisers as they are: languages, addresses and the bodies of answers, as tables."""

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
    SpeechUnavailableError,
)

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
