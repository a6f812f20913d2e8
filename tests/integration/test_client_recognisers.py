"""`whisperjob transcribe` against stand-ins of twelve kinds of recogniser: each row is a kind, and what comes of it."""

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.audio.tone_speech import script, write_tones
from support.client import asr_dialects as dialects
from support.client.asr_dialects import KEY, Dialect, dialect_server
from support.programs.environment import unconfigured
from support.service.serving import Service

pytest_plugins = ["support.client.fixtures"]

SECONDS = 125.0
SAID = script(SECONDS)
CHUNKS = 3
WORD, SENTENCE, CHUNK = 0.05, 1.5, 4.0
"""How exact times are, in seconds: by word; words spread over a sentence of five; words spread over a chunk of even
speech."""

TIMES = {WORD: "words", SENTENCE: "segments", CHUNK: "nothing"}

NO_TIMES = "The recogniser gave no times; words are placed evenly, so times and speakers are estimates."
IN_PARTS = "The recogniser refuses files as long as the chunks, so they were sent in parts."
NO_PROMPT = "The recogniser takes no prompt; it was left out."


@dataclass(frozen=True)
class Row:
    """A kind of recogniser. `refused` are the statuses of all refusals of a run with three chunks.

    The address is what `--asr-url` has after the host; None: Groq's SDK is used.
    """

    dialect: Dialect
    exact_seconds: float
    address: str | None = "/v1"
    model: str = "whisper-1"
    refused: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    requests: int = CHUNKS


ROWS = {
    "OpenAI whisper-1": Row(dialects.openai_whisper, WORD),
    "OpenAI gpt-4o-transcribe": Row(
        dialects.openai_gpt4o,
        CHUNK,
        model="gpt-4o-transcribe",
        refused=(400, 400),
        notes=(IN_PARTS, NO_TIMES),
        requests=5,
    ),
    "OpenAI gpt-4o-transcribe-diarize": Row(
        dialects.openai_diarize,
        SENTENCE,
        model="gpt-4o-transcribe-diarize",
        refused=(400, 400, 400),
        notes=(NO_PROMPT,),
    ),
    "Groq": Row(dialects.groq, WORD, address=None, model="whisper-large-v3"),
    "Azure OpenAI": Row(
        dialects.azure, WORD, address="/openai/deployments/my-whisper?api-version=2024-10-21", model="whisper"
    ),
    "vLLM before 0.11": Row(dialects.vllm_old, CHUNK, refused=(400,), notes=(NO_TIMES,)),
    "vLLM since 0.11": Row(dialects.vllm, SENTENCE),
    "whisper.cpp": Row(dialects.whisper_cpp, WORD, address="", refused=(404, 404)),
    "LocalAI": Row(dialects.local_ai, SENTENCE),
    "Speaches": Row(dialects.speaches, WORD, address="", model="Systran/faster-whisper-small"),
    "text only": Row(dialects.text_only, CHUNK, address="/v1/audio/transcriptions", notes=(NO_TIMES,)),
    "behind a proxy": Row(
        dialects.behind_a_proxy,
        WORD,
        model="Systran/faster-whisper-small",
        refused=(308, 413),
        notes=(IN_PARTS,),
        requests=5,
    ),
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recording") / "talk.wav"
    write_tones(file, SAID, SECONDS)
    return file


def transcribe(
    folder: Path,
    recording: Path,
    service: Service,
    *options: str,
    key: str = KEY,
    groq_url: str = "",
    python_path: str = "",
    code: int = 0,
) -> tuple[str, str]:
    """Runs the command; the transcript is `folder`/talk.json."""
    command = [sys.executable, "-m", "whisperjob_client", "transcribe", str(recording), "-o", str(folder / "talk.json")]
    options = (*options, "--max-chunk-seconds", "60", "--profile", "none", "--parallel", "1")
    done = subprocess.run(
        [*command, *options],
        env={
            **unconfigured(),
            "WHISPERJOB_URL": service.url,
            "WHISPERJOB_API_KEY": service.key,
            "WHISPERJOB_CONFIG": os.devnull,
            "WHISPERJOB_ASR_API_KEY": key,
            "PYTHONPATH": os.pathsep.join(filter(None, (python_path, os.environ.get("PYTHONPATH", "")))),
            "GROQ_API_KEY": key,
            "GROQ_BASE_URL": groq_url,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout, done.stderr


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_recogniser_of_this_kind_makes_a_whole_transcript(
    tmp_path: Path, recording: Path, service: Service, row: Row
) -> None:
    with dialect_server(row.dialect) as server:
        options = ["--model", row.model]
        options += [] if row.address is None else ["--asr-url", f"{server.url}{row.address}"]
        options += ["--language", "English", "--prompt", "Anna", "--json"]
        out, _ = transcribe(tmp_path, recording, service, *options, groq_url=server.url)
    transcript = json.loads((tmp_path / "talk.json").read_text())
    words = transcript["words"]
    assert [re.sub(r"\W", "", word["text"]).lower() for word in words] == [word.text for word in SAID], (
        "no word is lost"
    )
    wrong = [abs(word["start"] - truth.start) for word, truth in zip(words, SAID, strict=True)]
    assert max(wrong) <= row.exact_seconds
    assert transcript["language"] == "en", "subtitles are cut by its rules, whether or not the recogniser tells it"
    assert transcript["recogniser"] == {"model": row.model, "times": TIMES[row.exact_seconds]}
    assert transcript["source"]["sha256"] == hashlib.sha256(recording.read_bytes()).hexdigest()
    assert json.loads(out)["notes"] == list(row.notes)
    assert server.refused == list(row.refused), "what it cannot do is found out once, not for every chunk"
    assert set(server.answered.values()) == {1}
    assert len(server.answered) == row.requests
    assert {form.get("language", [""])[0] for form in server.forms} == {"en"}


def test_a_language_that_is_none_costs_no_upload(tmp_path: Path, recording: Path, service: Service) -> None:
    _, err = transcribe(
        tmp_path, recording, service, "--asr-url", "http://127.0.0.1:1/v1", "--language", "klingon", code=2
    )
    assert err == "'klingon' is no language; give a code such as en or de.\n"
    assert not (tmp_path / "talk.whisperjob").exists()


def test_a_missing_key_is_named(tmp_path: Path, recording: Path, service: Service) -> None:
    with dialect_server(dialects.openai_whisper) as server:
        _, err = transcribe(tmp_path, recording, service, "--asr-url", f"{server.url}/v1", key="", code=7)
    assert err.endswith("401: Incorrect API key provided: sk-s***. Check the recogniser's key.\n")


def test_what_was_recognised_before_a_refusal_is_not_sent_again(
    tmp_path: Path, recording: Path, service: Service
) -> None:
    """The second part is refused at first; the first part's answer is stored, though its chunk is not finished."""
    refusing = True

    def dialect(request: dialects.Request) -> dialects.Reply:
        if refusing and server.answered:
            return dialects.openai_error(401, "The key was revoked")
        return dialects.openai_gpt4o(request)

    with dialect_server(dialect) as server:
        options = ["--asr-url", f"{server.url}/v1", "--model", "gpt-4o-transcribe"]
        transcribe(tmp_path, recording, service, *options, code=7)
        assert sum(server.answered.values()) == 1
        refusing = False
        transcribe(tmp_path, recording, service, *options)
    assert set(server.answered.values()) == {1}
    words = json.loads((tmp_path / "talk.json").read_text())["words"]
    assert len(words) == len(SAID)


def test_a_format_whose_package_is_missing_costs_no_upload(tmp_path: Path, recording: Path, service: Service) -> None:
    """In the command's Python, `docx` cannot be imported."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['docx'] = None\n")
    _, err = transcribe(
        tmp_path, recording, service, "-f", "docx", "-o", str(tmp_path / "a.docx"), code=2, python_path=str(hidden)
    )
    assert err == f"The format docx needs the package `python-docx`: {sys.executable} -m pip install python-docx\n"
    assert not (tmp_path / "a.whisperjob").exists()
