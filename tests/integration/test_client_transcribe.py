"""`whisperjob transcribe` as a user runs it: a process, the real service, and a strict stand-in of the speech API."""

import json
import re
import signal
from pathlib import Path

import pytest

from support.audio.tone_speech import write_tones
from support.client.asr_server import KEY, AsrServer, Fault
from support.client.proxy import Network
from support.client.talk import SAID, SECONDS, SHORT, TOLERANCE_SECONDS, Talk, check_words, two_speakers
from support.service.serving import Service
from support.waiting import until_sync

pytest_plugins = ["support.client.fixtures"]

CHUNKS = 3


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recording") / "talk.wav"
    write_tones(file, SAID, SECONDS)
    return file


@pytest.fixture
def talk(tmp_path: Path, recording: Path, net: Network, service: Service, asr: AsrServer) -> Talk:
    return Talk(tmp_path, recording, net.url, service.key, asr)


def test_a_conversation_becomes_a_transcript_with_names(talk: Talk, net: Network, asr: AsrServer) -> None:
    net.speakers, speakers = two_speakers()
    options = ["--diarize", "--num-speakers", "2", "--speaker-name", "Anna", "--speaker-name", "Ben"]
    formats = [option for name in ("txt", "srt", "vtt", "json", "md") for option in ("--format", name)]
    out, err = talk.run(*options, *formats, "--language", "en")
    assert "Note: It went on with the CPU.\n" in err
    assert out.split() == [str(talk.file.with_suffix(f".{name}")) for name in ("txt", "srt", "vtt", "json", "md")]
    words = talk.transcript()["words"]
    check_words(words)
    assert [word["speaker"] for word in words] == speakers
    assert len(asr.answered) == CHUNKS
    assert set(asr.answered.values()) == {1}
    assert asr.forms[0] == {
        "model": ["whisper-large-v3"],
        "language": ["en"],
        "response_format": ["verbose_json"],
        "temperature": ["0"],
        "timestamp_granularities[]": ["word", "segment"],
    }
    paragraphs = talk.file.with_suffix(".txt").read_text().split("\n\n")
    assert paragraphs[0] == "Anna: Anchor bridge candle desert engine. Forest garden"
    assert paragraphs[1].startswith("Ben: harbour island jungle.")
    check_srt(talk.file.with_suffix(".srt").read_text(), speakers)
    checkpoint = talk.file.with_suffix(".whisperjob")
    assert not list(checkpoint.rglob("*.mp3")), "only answers are stored"


def check_srt(text: str, speakers: list[str]) -> None:
    """Checks that every cue shows words that sound while it is shown, and names the speaker who begins."""
    names = {"SPEAKER_00": "Anna", "SPEAKER_01": "Ben"}
    place, latest, speaker = 0, 0.0, ""
    for number, block in enumerate(text.strip().split("\n\n"), 1):
        head, times, *lines = block.split("\n")
        assert head == str(number)
        start, end = (_seconds(part) for part in times.split(" --> "))
        assert latest <= start < end
        latest = end
        shown = " ".join(lines)
        if (named := re.match(r"(\w+): ", shown)) is not None:
            speaker, shown = named[1], shown[named.end() :]
        for word in shown.split():
            assert word.strip(".").lower() == SAID[place].text
            assert start - TOLERANCE_SECONDS <= SAID[place].start <= end
            assert names[speakers[place]] == speaker
            place += 1
    assert place == len(SAID)


def _seconds(stamp: str) -> float:
    hours, minutes, seconds = stamp.replace(",", ".").split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "terminated"])
def test_an_interrupted_run_started_again_recognises_no_chunk_twice(
    talk: Talk, net: Network, asr: AsrServer, how: signal.Signals
) -> None:
    asr.held, asr.free = True, 1
    parallel = 2 if how is signal.SIGKILL else 1
    with talk.started("--format", "json", "--parallel", str(parallel)) as process:
        checkpoint = talk.file.with_suffix(".whisperjob")
        until_sync(
            lambda: list(checkpoint.rglob("answer-*.json")) and asr.in_hand == parallel,
            "one stored, more in flight",
            60,
        )
        process.send_signal(how)
        if how is signal.SIGTERM:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert "Waiting for answers that were already requested (1). Press Ctrl-C again to stop now." in line
            asr.release()
        process.wait(30)
    in_flight = set(asr.received - asr.answered)
    asr.release()
    until_sync(lambda: not asr.in_hand, "the stand-in to finish")
    before = asr.received.copy()
    talk.run("--format", "json")
    again = asr.received - before
    if how is signal.SIGTERM:
        assert process.returncode == 130
        assert not in_flight, "its answers had been waited for"
        assert set(asr.received.values()) == {1}, "no chunk was sent twice"
    else:
        assert set(again) == in_flight, "only what was in flight when it was killed is sent again"
    assert len(asr.received) == CHUNKS
    assert net.requests["POST /whisper_optimize"] == 1
    check_words(talk.transcript()["words"])
    net.requests.clear()
    talk.run("--format", "srt")
    assert not net.requests, "another format needs neither server"
    assert sum(asr.received.values()) == sum(asr.answered.values())


def test_a_job_that_the_server_lost_is_made_again_and_stored_answers_are_used(
    talk: Talk, net: Network, asr: AsrServer, service: Service
) -> None:
    out, _ = talk.run("--format", "json", "--json")
    assert service.client.delete(f"/job/{json.loads(out)['jobId']}").status_code == 204
    lost = next(talk.file.with_suffix(".whisperjob").rglob("answer-*.json"))
    lost.unlink()
    talk.run("--format", "json")
    assert net.requests["POST /whisper_optimize"] == 2
    assert sorted(asr.received.values()) == [1, 1, 2], "only the lost answer is requested again"
    assert lost.exists()
    check_words(talk.transcript()["words"])


def test_limits_and_failures_of_the_speech_account_are_waited_out(short: Talk, asr: AsrServer) -> None:
    asr.faults = [Fault(429, "1", "Rate limit reached"), Fault(500)]
    _, err = short.run("--format", "json")
    assert re.search(r"Waiting \d s for the speech account's limits", err)
    check_words(short.transcript()["words"], SHORT)
    assert set(asr.answered.values()) == {1}


def test_an_interrupted_wait_ends_at_once(short: Talk, asr: AsrServer) -> None:
    asr.faults = [Fault(429, "3600", "Rate limit reached")]
    with short.started("--format", "json") as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "Waiting 60 min for the speech account's limits.\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    short.run("--format", "json")
    check_words(short.transcript()["words"], SHORT)


def test_two_runs_at_once_do_not_send_everything_twice(short: Talk, asr: AsrServer) -> None:
    asr.held = True
    with short.started("--format", "json") as process:
        until_sync(lambda: asr.in_hand, "the first to send", 30)
        _, err = short.run("--format", "json", code=2)
        assert "Another run works on this recording" in err
        asr.release()
        assert process.wait(30) == 0


def test_what_the_service_does_not_know_is_noted(short: Talk, net: Network) -> None:
    net.query = "codec=2"
    _, err = short.run("--format", "json")
    assert err.count("Note: The option `codec` is unknown and was ignored.") == 1


def test_without_a_diarizer_nothing_is_sent(short: Talk, net: Network, asr: AsrServer) -> None:
    net.no_diarizer = True
    _, err = short.run("--format", "json", "--diarize", "--json", code=2)
    refusal = json.loads(err)
    assert refusal["code"] == "diarization_unavailable"
    assert "This service has no diarizer. Without --diarize" in refusal["error"]
    assert set(net.requests) == {"GET /health"}
    assert not asr.received


def test_an_older_service_without_a_diarizer_costs_no_word(short: Talk, net: Network, asr: AsrServer) -> None:
    net.no_diarizer, net.tells_diarizer = True, False
    _, err = short.run("--format", "json", "--diarize", code=2)
    assert "This service has no diarizer. Without --diarize" in err
    assert net.requests["POST /whisper_optimize"] == 1
    assert not asr.received
    short.run("--format", "json")
    assert net.requests["POST /whisper_optimize"] == 1, "the same job serves the command without names"
    _, err = short.run("--format", "json", "--diarize", code=8)
    assert "The service has no diarizer, so the transcript has no names." in err, "the words are there already"
    assert {word["speakerReason"] for word in short.transcript()["words"]} == {"diarization_unavailable"}


def test_a_failed_diarization_costs_only_the_names_and_another_run_adds_them(
    short: Talk, net: Network, asr: AsrServer
) -> None:
    net.diarization_error = "Diarization failed: no model."
    out, err = short.run("--format", "json", "--diarize", code=8)
    assert "Note: No speakers: Diarization failed: no model." in err
    assert "The diarization failed, so the transcript has no names." in err
    assert out == f"{short.file.with_suffix('.json')}\n"
    assert {word["speakerReason"] for word in short.transcript()["words"]} == {"diarization_failed"}
    net.diarization_error, (net.speakers, _) = None, two_speakers()
    short.run("--format", "json", "--diarize")
    assert {word["speaker"] for word in short.transcript()["words"]} == {"SPEAKER_00", "SPEAKER_01"}
    assert sum(asr.received.values()) == 1, "no word is paid for twice"


def test_the_text_is_there_before_the_speakers(short: Talk, net: Network, asr: AsrServer) -> None:
    (net.speakers, _), net.diarization_held = two_speakers(), True
    with short.started("--format", "json", "--diarize") as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line == f"The text is in {short.file.with_suffix('.json')}; the speakers follow.\n"
        assert {word["speakerReason"] for word in short.transcript()["words"]} == {"diarization_pending"}
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "The text without names is in" in err
    out, _ = short.run("--format", "json", "--diarize", "--speakers-timeout", "0", "--json", code=8)
    assert "The speakers are not known yet" in json.loads(out)["speakersMissing"]
    net.diarization_held = False
    short.run("--format", "json", "--diarize")
    assert {word["speaker"] for word in short.transcript()["words"]} == {"SPEAKER_00", "SPEAKER_01"}
    assert sum(asr.received.values()) == 1


@pytest.mark.parametrize("words_supported", [True, False])
def test_any_openai_compatible_endpoint_works(short: Talk, asr: AsrServer, words_supported: bool) -> None:
    asr.shape, asr.words_supported = "inner-words", words_supported
    del short.environment["GROQ_API_KEY"]
    short.run("--format", "json", "--asr-url", f"{asr.url}/v1", "--asr-api-key", KEY)
    check_words(short.transcript()["words"], SHORT)
    assert asr.forms[-1]["model"] == ["whisper-1"]


def test_a_refused_key_ends_it_with_the_recognisers_sentence(short: Talk, asr: AsrServer) -> None:
    short.environment["GROQ_API_KEY"] = "wrong"
    out, err = short.run("--json", code=7)
    assert json.loads(err) == {
        "error": "The speech recogniser answered 401: Invalid API Key. Check the recogniser's key.",
        "code": "speech_recognition_failed",
    }
    assert out == ""


def test_a_missing_key_costs_no_upload(short: Talk, net: Network) -> None:
    del short.environment["GROQ_API_KEY"]
    _, err = short.run(code=2)
    assert "GROQ_API_KEY is not set" in err
    assert not net.requests
    assert not short.file.with_suffix(".whisperjob").exists()
