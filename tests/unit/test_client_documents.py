"""Finished transcripts: the JSON and its schema, reading it again, names for speakers, and the formats made of it."""

import io
import json
import os
import re
from pathlib import Path
from typing import Any

import docx
import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from support.docs.reference_transcript import transcript_schema
from whisperjob_cli.input_files import Recording
from whisperjob_cli.main import app
from whisperjob_cli.output_files import choose_output, plan_conversion
from whisperjob_client.errors import UsageError
from whisperjob_client.plain_text import one_line
from whisperjob_client.transcript.document import SCHEMA_VERSION, read_document, write_document
from whisperjob_client.transcript.merge import merge
from whisperjob_client.transcript.recogniser_answers import parse_answer
from whisperjob_client.transcript.renaming import parse_names, rename
from whisperjob_client.transcript.transcript_model import (
    ChunkPlace,
    Doubt,
    NoSpeaker,
    Origin,
    Speakers,
    TimesOf,
    Transcript,
    Word,
)
from whisperjob_client.transcript.writers import Format, encode, write

SCHEMA = jsonschema_rs.validator_for(json.loads(transcript_schema()))
ORIGIN = Origin("ab" * 32, "whisper-1", TimesOf.WORDS)
VERSION_1 = Path(__file__).resolve().parents[1] / "data" / "transcripts" / "version-1.json"


def said(text: str, speakers: str, *, language: str | None = "en") -> Transcript:
    """Returns a word of half a second for each letter of `speakers`: A is SPEAKER_00, and - nobody."""
    words = [
        Word(
            float(index),
            index + 0.5,
            word,
            speaker=None if who == "-" else f"SPEAKER_{ord(who) - 65:02d}",
            no_speaker=NoSpeaker.NOBODY_HEARD if who == "-" else None,
            confidence=0.9,
        )
        for index, (word, who) in enumerate(zip(text.split(), speakers, strict=True))
    ]
    return Transcript(tuple(words), float(len(words)), language, {}, ORIGIN)


TALK = said("Hello there. Good morning! Yes. Right.", "AABBA-")

times = st.floats(0, 1e5).map(lambda time: round(time, 3))
spoken_words = st.lists(
    st.builds(
        Word,
        start=times,
        end=times,
        text=st.text().map(one_line).filter(bool),
        speaker=st.sampled_from(["SPEAKER_00", "SPEAKER_01"]),
        no_speaker=st.none(),
        doubt=st.sampled_from([None, *Doubt]),
        gap=st.sampled_from([" ", "", "\u3000"]),
        confidence=st.none() | st.floats(0, 1).map(lambda share: round(share, 3)),
    ),
    max_size=20,
)


@given(spoken_words, st.none() | st.just("en"), st.none() | st.just(ORIGIN))
def test_a_transcript_is_the_same_after_writing_and_reading(
    words: list[Word], language: str | None, origin: Origin | None
) -> None:
    ordered = sorted(words, key=lambda word: word.start)
    ordered = [
        Word(w.start, max(w.start, w.end), w.text, w.speaker, None, w.doubt, w.gap, w.confidence) for w in ordered
    ]
    transcript = Transcript(tuple(ordered), 1e5, language, {}, origin)
    text = write_document(transcript, "talk.mp4")
    assert SCHEMA.is_valid(json.loads(text))
    again, title = read_document(text.encode(), "talk.json")
    assert (again.words, again.duration, again.language, again.origin) == (tuple(ordered), 1e5, language, origin)
    assert title == "talk.mp4"
    assert write_document(again, title) == text


def test_the_json_says_what_it_was_made_of() -> None:
    body = json.loads(write_document(TALK, "talk.mp4"))
    assert body["schemaVersion"] == SCHEMA_VERSION
    assert body["source"] == {"sha256": "ab" * 32}
    assert body["recogniser"] == {"model": "whisper-1", "times": "words"}
    assert [sentence["text"] for sentence in body["sentences"]] == ["Hello there.", "Good morning!", "Yes.", "Right."]
    assert {sentence["confidence"] for sentence in body["sentences"]} == {0.9}
    assert body["speakers"] == [{"id": "SPEAKER_00", "name": "Speaker 1"}, {"id": "SPEAKER_01", "name": "Speaker 2"}]


def test_a_transcript_of_version_1_is_read() -> None:
    """The file was written by that version."""
    transcript, title = read_document(VERSION_1.read_bytes(), "talk.json")
    assert title == "talk.mp4"
    assert transcript.language == "en", "it was a name"
    assert transcript.label("SPEAKER_01") == "Zoë Quill"
    assert transcript.words[0] == Word(0.4, 0.65, "Good", "SPEAKER_00", None)
    assert transcript.origin is None
    written = json.loads(write_document(transcript, title))
    assert SCHEMA.is_valid(written)
    old = json.loads(VERSION_1.read_text())
    assert [word["text"] for word in written["words"]] == [word["text"] for word in old["words"]]
    assert [p["text"] for p in written["paragraphs"]] == [p["text"] for p in old["paragraphs"]]


def document(**fields: Any) -> bytes:
    body = json.loads(write_document(TALK, "a"))
    return json.dumps(body | fields).encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"1\n00:00", "is no JSON"),
        (b"[" * 100_000, "is no JSON"),
        (b"[]", "is no transcript of whisperjob"),
        (b'{"text": "a", "segments": []}', "is no transcript of whisperjob"),
        (document(schemaVersion=3), "written by a newer version"),
        (document(schemaVersion="2"), "is no transcript of whisperjob"),
        (document(words=[{"start": 0}]), r"is no transcript of whisperjob \(words.0.end: Field required\)"),
        (document(words=[{"start": float("nan"), "end": 1, "text": "a", "speaker": None}]), "is no transcript"),
        (document(duration="long"), "is no transcript of whisperjob"),
    ],
)
def test_what_is_no_transcript_is_refused_with_a_sentence(data: bytes, words: str) -> None:
    with pytest.raises(UsageError, match=f"^talk.json .*{words}"):
        read_document(data, "talk.json")


def test_fields_of_later_versions_and_an_edited_order_are_no_trouble() -> None:
    body = json.loads(document(extra=1))
    body["words"] = [{**word, "note": "edited"} for word in reversed(body["words"])]
    transcript, _ = read_document(json.dumps(body).encode(), "a")
    assert transcript.words == TALK.words


@pytest.mark.parametrize(
    ("assignments", "speakers", "names"),
    [
        pytest.param(["SPEAKER_00=Anna"], "AABBA-", ["Anna", "Speaker 2"], id="one"),
        pytest.param(["SPEAKER_00=Anna", "SPEAKER_01=Ben"], "AABBA-", ["Anna", "Ben"], id="both"),
        pytest.param(["SPEAKER_00=Anna", "SPEAKER_01=Anna"], "AAAAA-", ["Anna"], id="two are one"),
        pytest.param(["SPEAKER_01=SPEAKER_00"], "AAAAA-", ["Speaker 1"], id="two are one, by the id"),
        pytest.param(["SPEAKER_01=SPEAKER_00", "SPEAKER_00=Anna"], "AAAAA-", ["Anna"], id="by the id, with a name"),
        pytest.param(["SPEAKER_01=Speaker 1"], "AAAAA-", ["Speaker 1"], id="two are one, by the name so far"),
        pytest.param(["Speaker 2=Ben"], "AABBA-", ["Speaker 1", "Ben"], id="known by the name so far"),
        pytest.param(["speaker_01=Ben"], "AABBA-", ["Speaker 1", "Ben"], id="in any case of letters"),
        pytest.param(["SPEAKER_00= Anna\tMaria "], "AABBA-", ["Anna Maria", "Speaker 2"], id="spaces"),
        pytest.param(["SPEAKER_00=a=b"], "AABBA-", ["a=b", "Speaker 2"], id="a name with ="),
        pytest.param(
            ["SPEAKER_00=Speaker 2", "SPEAKER_01=Speaker 1"], "AABBA-", ["Speaker 2", "Speaker 1"], id="swapped"
        ),
        pytest.param(["SPEAKER_00="], "AABBA-", ["Speaker 1", "Speaker 2"], id="no name"),
    ],
)
def test_names_for_speakers(assignments: list[str], speakers: str, names: list[str]) -> None:
    renamed = rename(TALK, parse_names(assignments))
    found = "".join("-" if w.speaker is None else chr(65 + int(w.speaker[-2:])) for w in renamed.words)
    assert found == speakers
    assert [renamed.label(speaker) for speaker in renamed.speakers] == names
    again, _ = read_document(write_document(renamed, "a").encode(), "a")
    assert [again.label(speaker) for speaker in again.speakers] == names


def test_a_name_can_be_given_and_taken_away_again() -> None:
    named, _ = read_document(write_document(rename(TALK, {"SPEAKER_00": "Anna"}), "a").encode(), "a")
    assert rename(named, {"anna": ""}).label("SPEAKER_00") == "Speaker 1"


@pytest.mark.parametrize(
    ("assignments", "words"),
    [
        (["Anna"], "'Anna' gives no speaker a name"),
        (["=Anna"], "gives no speaker a name"),
        (["SPEAKER_07=Anna"], r"no speaker SPEAKER_07; there are SPEAKER_00 \(Speaker 1\), SPEAKER_01"),
        (["SPEAKER_00=Anna", "SPEAKER_00=Ben"], "SPEAKER_00 is given two names, Anna and Ben"),
    ],
)
def test_names_that_cannot_be_given(assignments: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        rename(TALK, parse_names(assignments))


def test_tab_separated_values_have_whispers_columns_and_the_speaker() -> None:
    rows = [line.split("\t") for line in write(said("Tab\there. <b>", "AAB"), Format.TSV).splitlines()]
    assert rows == [
        ["start", "end", "text", "speaker"],
        ["0", "1500", "Tab here.", "Speaker 1"],
        ["2000", "2500", "<b>", "Speaker 2"],
    ]


def test_a_word_processors_document_has_names_times_and_text() -> None:
    text = "Hello\x00there. <b>&amp; Good"
    file = docx.Document(io.BytesIO(encode(said(text, "AAB"), Format.DOCX, "a \x01<title>")))
    assert [p.text for p in file.paragraphs] == [
        "a <title>",
        "Speaker 1 (0:00:00) Hellothere. <b>&amp;",
        "Speaker 2 (0:00:02) Good",
    ]
    assert [run.bold for run in file.paragraphs[1].runs] == [True, None, None]
    assert file.core_properties.title == "a <title>"
    assert file.core_properties.language == "en"


def test_a_word_processors_document_can_be_made_of_any_text() -> None:
    odd = "".join(map(chr, (*range(0x20), *range(0x7F, 0xA0), 0xD800, 0xDFFF, *range(0xFFF0, 0x10000), 0x1FFFE)))
    transcript = Transcript((Word(0, 1, f"a{odd}b", f"x{odd}"),), 1, language=odd * 99, names={f"x{odd}": odd})
    file = docx.Document(io.BytesIO(encode(transcript, Format.DOCX, odd * 99)))
    assert file.paragraphs[1].text.endswith("b")


_CUE = re.compile(r"(\S+) --> (\S+)\n(.*)", re.S)


@given(spoken_words)
def test_every_words_time_lies_inside_its_cue_and_no_word_is_lost(words: list[Word]) -> None:
    """It reads the file as players do: a block for each cue, and times in angle brackets."""
    ordered = sorted(words, key=lambda word: word.start)
    transcript = Transcript(tuple(ordered), 1e5)
    plain, timed = write(transcript, Format.VTT), write(transcript, Format.WORD_VTT)
    stripped = re.sub(r"<[\d:.]+>|</?c>", "", timed)
    assert "".join(stripped.split()) == "".join(plain.split())
    for block in timed.split("\n\n")[1:]:
        match = _CUE.fullmatch(block.rstrip("\n"))
        assert match is not None
        inside = re.findall(r"<(\d[\d:.]+)>", match[3])
        assert [match[1], *inside] == sorted({match[1], *inside}), "times only rise"
        assert all(time < match[2] for time in inside)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(
            {
                "segments": [{"text": "a b", "start": 0, "end": 1, "avg_logprob": -0.5}],
                "words": [
                    {"word": "a", "start": 0, "end": 0.4, "probability": 0.75},
                    {"word": "b", "start": 0.5, "end": 1},
                ],
            },
            [0.75, 0.607],
            id="of the word, else of its segment",
        ),
        pytest.param(
            {
                "words": [
                    {"word": " Hel", "start": 0, "end": 0.2, "probability": 0.9},
                    {"word": "lo", "start": 0.2, "end": 0.4, "probability": 0.5},
                    {"word": ".", "start": 0.4, "end": 0.5, "probability": 0.1},
                    {"word": " b", "start": 0.5, "end": 1, "probability": 0.8},
                ]
            },
            [0.5, 0.8],
            id="of the least certain part, without punctuation",
        ),
        pytest.param(
            {"segments": [{"text": "a", "start": 0, "end": 1, "avg_logprob": -1.0, "compression_ratio": -1.0}]},
            [None],
            id="placeholders are none",
        ),
        pytest.param(
            {"words": [{"word": "a", "start": 0, "end": 1, "probability": 7}]}, [None], id="what is no probability"
        ),
        pytest.param({"text": "a"}, [None], id="none"),
    ],
)
def test_confidence_is_the_recognisers(body: dict[str, Any], expected: list[float | None]) -> None:
    words = merge([(ChunkPlace(0, 2), parse_answer(body))], Speakers.unknown(NoSpeaker.NOT_ASKED)).words
    assert [None if word.confidence is None else round(word.confidence, 3) for word in words] == expected


@pytest.mark.parametrize(
    ("output", "formats", "targets"),
    [
        (None, [], {Format.TXT: "talk.v2.txt"}),
        (None, [Format.SRT, Format.WORD_VTT], {Format.SRT: "talk.v2.srt", Format.WORD_VTT: "talk.v2.words.vtt"}),
        ("out.words.vtt", [], {Format.WORD_VTT: "out.words.vtt"}),
        ("out.VTT", [], {Format.VTT: "out.VTT"}),
        ("out", [Format.DOCX], {Format.DOCX: "out.docx"}),
        ("out.srt", [Format.TXT, Format.SRT], {Format.TXT: "out.txt", Format.SRT: "out.srt"}),
        ("new/", [Format.MD], {Format.MD: "new/talk.v2.md"}),
        ("-", [Format.JSON], {}),
    ],
)
def test_the_files_of_a_conversion(output: str | None, formats: list[Format], targets: dict[Format, str]) -> None:
    source = Recording(Path("talk.v2.json"))
    found = plan_conversion(source, choose_output(output, tuple(formats), [source]))
    assert {format_: str(file) for format_, file in found.items()} == targets


@pytest.mark.parametrize(
    ("output", "formats", "words"),
    [
        ("out.srt", [Format.TXT], "ends as srt"),
        ("-", [Format.TXT, Format.SRT], "cannot take several formats"),
        ("out.doc", [], "which is no format of transcripts"),
        (None, [Format.JSON], "would be overwritten"),
        ("talk.json", [], "would be overwritten"),
    ],
)
def test_contradictions_about_a_conversion(output: str | None, formats: list[Format], words: str) -> None:
    source = Recording(Path("talk.json"))
    with pytest.raises(UsageError, match=words):
        plan_conversion(source, choose_output(output, tuple(formats), [source]))


def run(*arguments: str, code: int = 0, typed: str | None = None) -> str:
    result = CliRunner().invoke(app, ["transcript", *arguments], input=typed)
    assert result.exit_code == code, result.output
    return result.output


def test_a_transcript_is_renamed_in_its_place_and_converted_to_all_formats(tmp_path: Path) -> None:
    file = tmp_path / "talk.json"
    file.write_text(write_document(TALK, "talk.mp4"))
    assert run("rename", str(file), "SPEAKER_00=Anna", "SPEAKER_01=Ben") == f"{file}\n"
    formats = [format_ for format_ in Format if format_ is not Format.JSON]
    out = run("convert", str(file), "-f", ",".join(formats))
    assert out.splitlines() == [str(tmp_path / f"talk.{format_}") for format_ in formats]
    assert (tmp_path / "talk.txt").read_text().startswith("Anna: Hello there.\n\nBen: Good morning!")
    assert (tmp_path / "talk.docx").read_bytes().startswith(b"PK")
    assert run("convert", str(file), "-o", "-").startswith("Anna: Hello there.")
    assert run("rename", str(file), "SPEAKER_07=Eve", code=2).startswith("There is no speaker SPEAKER_07")
    assert run("convert", str(file), "-f", "pdf", code=2).startswith("'pdf' is no format of transcripts; there")
    assert "No such file" in run("convert", str(tmp_path / "absent.json"), code=2)


def test_a_transcript_is_converted_and_renamed_in_a_pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    renamed = run("rename", "-", "SPEAKER_00=Anna", typed=write_document(TALK, "talk.mp4"))
    assert run("convert", "-", typed=renamed).startswith("Anna: Hello there.")
    assert not list(tmp_path.iterdir())
    assert run("convert", "-", "-f", "srt,md", "-o", "new/", typed=renamed) == "new/stdin.srt\nnew/stdin.md\n"
    assert run("rename", "-", "SPEAKER_00=Eve", "-o", "new/eve.txt", typed=renamed, code=2).startswith(
        "new/eve.txt ends"
    )


def test_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    file, pipe = tmp_path / "talk", tmp_path / "pipe"
    file.write_text(write_document(TALK, "talk.mp4"))
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    run("convert", str(file), "-o", str(pipe))
    assert os.read(reader, 1000).decode().startswith("Speaker 1: Hello there.")
    os.close(reader)
    assert pipe.is_fifo()
    assert run("rename", str(file), "SPEAKER_00=Anna") == f"{file}\n", "the file itself, whatever its name"
