"""Text in any script stays as the recogniser wrote it, and its lines end where readers expect it."""

import unicodedata
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import iter_graphemes

from whisperjob_client.transcript.cues import cues
from whisperjob_client.transcript.merge import merge
from whisperjob_client.transcript.phrases import break_places
from whisperjob_client.transcript.recogniser_answers import parse_answer
from whisperjob_client.transcript.spelling import columns, joined
from whisperjob_client.transcript.transcript_model import ChunkPlace, NoSpeaker, Speakers, Transcript
from whisperjob_client.transcript.writers import Format, write

NOT_ASKED = Speakers.unknown(NoSpeaker.NOT_ASKED)

THAI = "วันนี้อากาศดีมาก เราใช้GitHub Copilotเขียนโค้ดทุกวัน และชอบมาก แต่บางครั้งก็มีปัญหาเล็กน้อยกับการตั้งค่าเครื่อง"
JAPANESE = (
    "今日は天気がいいですね。東京 2025 年にGitHubを使って、新しいプロジェクトを始めました。"
    "それから、みんなで一緒に駅前のレストランへ行きました。"
)
CHINESE = (
    "今天天气很好，我们一起去公园散步吧。后来我们在2025年参加了GitHub 的会议，学到了很多东西，也认识了不少新朋友。"
)
KOREAN = "안녕하세요 여러분, 오늘은 GitHub Copilot을 사용하는 방법에 대해서 이야기해 보겠습니다. 감사합니다."
ARABIC = "مرحبا بكم في هذا البرنامج، اليوم سنتحدث عن التعلم الآلي وكيفية استخدامه في الحياة اليومية؟ نعم."
HEBREW = "שלום לכולם, היום נדבר על למידת מכונה ואיך משתמשים בה בחיי היומיום שלנו. \u200fתודה\u200f."
KHMER = "នៅថ្ងៃនេះអាកាសធាតុល្អណាស់ យើងទៅដើរលេងនៅឧទ្យានជាមួយគ្នា ហើយញ៉ាំអាហារឆ្ងាញ់ៗជាច្រើនមុខ"
HINDI = "नमस्ते दोस्तों, आज हम मशीन लर्निंग के बारे में बात करेंगे। यह बहुत दिलचस्प है।"
FRENCH = "Bonjour\u00a0! Ça va\u202f? Très bien\u00a0: «\u00a0merci\u00a0»."
MIXED = "ใช้GitHub Copilotเขียน"
WIDE_SPACE = "はい。\u3000そうです"
SCRIPTS = [THAI, JAPANESE, CHINESE, KOREAN, ARABIC, HEBREW, KHMER, HINDI, FRENCH, MIXED, WIDE_SPACE, "東京 2025 年"]


def transcript_of(*bodies: dict[str, Any], seconds: float = 30) -> Transcript:
    """One chunk for each answer."""
    chunks = [(ChunkPlace(n * seconds, seconds), parse_answer(body)) for n, body in enumerate(bodies)]
    return merge(chunks, NOT_ASKED)


def spaced_words(text: str) -> list[dict[str, Any]]:
    """Words as Whisper has them: each begins with the space before it; letters of scripts without spaces are alone."""
    parts: list[str] = []
    for letter in text:
        alone = unicodedata.category(letter) == "Lo" and not ("\u0590" <= letter <= "\u06ff" or "가" <= letter <= "힣")
        ends = parts and unicodedata.category(parts[-1][-1]) == "Lo"
        if not parts or letter.isspace() or (alone and parts[-1].strip()) or (ends and letter.isascii()):
            parts.append(letter)
        else:
            parts[-1] += letter
    return [{"word": part, "start": n * 0.2, "end": n * 0.2 + 0.2} for n, part in enumerate(parts)]


@pytest.mark.parametrize("text", SCRIPTS)
@pytest.mark.parametrize("shape", ["text", "segments", "words and segments", "inner words", "bare words"])
def test_text_is_spaced_as_the_recogniser_spaced_it(text: str, shape: str) -> None:
    words = spaced_words(text)
    segment = {"text": f" {text}", "start": 0, "end": 20}
    bodies: dict[str, dict[str, Any]] = {
        "text": {"text": text},
        "segments": {"text": text, "segments": [segment]},
        "words and segments": {"text": text, "segments": [segment], "words": words},
        "inner words": {"segments": [segment | {"words": words}]},
        "bare words": {
            "text": text,
            "words": [
                {"word": w.strip(".,،"), "start": n * 0.3, "end": n * 0.3 + 0.3} for n, w in enumerate(text.split())
            ],
        },
    }
    transcript = transcript_of(bodies[shape])
    assert joined(transcript.words) == text
    assert write(transcript, Format.TXT) == f"{text}\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["ใช้", "GitHub", " Copilot", "เขียน"], MIXED, id="Thai: what the words have"),
        pytest.param([" Hello", " there", "."], "Hello there.", id="English with spaces"),
        pytest.param(["Hello", "there."], "Hello there.", id="English without"),
        pytest.param(["Hello ", "there", " friend"], "Hello there friend", id="English with spaces here and there"),
        pytest.param(["東京", " 2025", " 年"], "東京 2025 年", id="Japanese: what the words have"),
        pytest.param(["東京", "都"], "東京都", id="Japanese without"),
        pytest.param(["안녕하세요", "여러분"], "안녕하세요 여러분", id="Korean is spaced"),
    ],
)
def test_words_without_a_text_are_spaced(words: list[str], expected: str) -> None:
    body = {"words": [{"word": w, "start": n, "end": n + 1} for n, w in enumerate(words)]}
    assert joined(transcript_of(body).words) == expected


@pytest.mark.parametrize(
    ("text", "segments", "expected"),
    [
        pytest.param("今日は晴れ。明日は雨。", ["今日は晴れ。", "明日は雨。"], "今日は晴れ。明日は雨。", id="Japanese"),
        pytest.param(
            "今日は晴れ。 明日は雨。", ["今日は晴れ。", "明日は雨。"], "今日は晴れ。 明日は雨。", id="with a space"
        ),
        pytest.param("เราใช้GitHub ทุกวัน", ["เราใช้", "GitHub ทุกวัน"], "เราใช้GitHub ทุกวัน", id="Thai"),
        pytest.param("", ["ไปไหน", "ไปตลาด"], "ไปไหน ไปตลาด", id="Thai phrases without the whole text"),
        pytest.param("", ["Hello there.", "How are you?"], "Hello there. How are you?", id="English"),
        pytest.param(
            "Hello there.How are you?", ["Hello there.", "How are you?"], "Hello there. How are you?", id="glued"
        ),
        pytest.param("else", [" Hello there.", " How are you?"], "Hello there. How are you?", id="another whole text"),
    ],
)
def test_what_is_between_segments_is_as_in_the_whole_text(text: str, segments: list[str], expected: str) -> None:
    parts = [{"text": part, "start": n, "end": n + 1} for n, part in enumerate(segments)]
    assert joined(transcript_of({"text": text, "segments": parts}).words) == expected


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("Hello there.", "How?", "Hello there. How?"),
        ("今日は。", "明日は。", "今日は。明日は。"),
        ("ไปไหน", "ไปตลาด", "ไปไหน ไปตลาด"),
    ],
)
def test_chunks_are_joined_as_their_script_joins_phrases(first: str, second: str, expected: str) -> None:
    assert joined(transcript_of({"text": first}, {"text": second}).words) == expected


@given(st.lists(st.sampled_from([*"กขไ日本語ab한é", "้", " ", "\u3000", "."]), max_size=40).map("".join))
def test_no_space_is_added_and_none_is_lost(text: str) -> None:
    expected = " ".join(part for part in text.replace("\u3000", " ").split())
    body = {"text": text, "segments": [{"text": text, "start": 0, "end": 9}]}
    assert joined(transcript_of(body).words).replace("\u3000", " ") == expected


@pytest.mark.parametrize("text", SCRIPTS)
def test_lines_end_at_places_where_readers_expect_it(text: str) -> None:
    transcript = transcript_of({"text": text, "segments": [{"text": text, "start": 0, "end": 20}]})
    lines = [line for cue in cues(transcript) for line in cue.lines]
    assert "".join("".join(lines).split()) == "".join(text.split())
    seen = {0}
    for part in iter_graphemes("".join(text.split())):
        seen.add(max(seen) + len(part))
    at = 0
    for line in lines:
        assert at in seen, "no letter is cut in two"
        assert columns(line) <= 42
        assert line[0] not in "、。，！？ーっゃゅょะาำๆ.,!?؟،\u00a0\u202f"
        assert line[-1] not in "เแโใไ「（«"
        at += len("".join(line.split()))


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("今日は天気がいいですね。", ["今日は", "天気が", "いいですね。"]),
        ("今天天气很好，我们去公园。", ["今天", "天气", "很", "好，", "我们", "去", "公园。"]),
        ("วันนี้อากาศดีมาก", ["วัน", "นี้", "อากาศ", "ดี", "มาก"]),
        ("ใช้GitHub Copilotเขียน", ["ใช้", "GitHub ", "Copilotเขียน"]),
        ("Hello there, Anna - yes", ["Hello ", "there, ", "Anna - ", "yes"]),
        ("Ça va\u202f? Oui", ["Ça ", "va\u202f? ", "Oui"]),
    ],
)
def test_phrases_are_cut_apart(text: str, phrases: list[str]) -> None:
    places = [0, *break_places(text), len(text)]
    assert [text[begin:end] for begin, end in pairwise(places)] == phrases


def test_a_cue_in_thai_ends_at_a_space_if_it_can() -> None:
    found = [cue.text for cue in cues(transcript_of({"text": f"{THAI} {THAI}"}, seconds=20))]
    ends = "".join(found).replace(" ", "")
    assert ends == (THAI + THAI).replace(" ", "")
    spaced = sum(f"{before} {after}" in f"{THAI} {THAI}" for before, after in pairwise(found))
    assert spaced == len(found) - 1


@pytest.mark.parametrize("text", ["👨‍👩‍👧" * 40, "é" * 100, "a" * 100, "ำ" * 50, "नि" * 60])
def test_a_word_wider_than_a_line_is_cut_between_letters(text: str) -> None:
    shown = [line for cue in cues(transcript_of({"text": text})) for line in cue.lines]
    assert "".join(shown) == text
    whole = list(iter_graphemes(text))
    assert [part for line in shown for part in iter_graphemes(line)] == whole
