"""What the diarizer decides without its models: speakers' numbers, progress, fallbacks, which model, ffmpeg's call."""

import itertools
from pathlib import Path

import pytest

from whisperjob.model.errors import ModelUnavailableError
from whisperjob.model.phase import DIARIZE_PROGRESS, DiarizeStep
from whisperjob_diarizer.decode import decode_argv
from whisperjob_diarizer.fallback import ComputePlan, first_plan, next_plan
from whisperjob_diarizer.model_choice import BundledModel, FolderModel, HubModel, choose_model, explain_hub_error
from whisperjob_diarizer.port import Diarization, SpeakerSpan
from whisperjob_diarizer.progress_hook import ProgressHook
from whisperjob_diarizer.timelines import build_timeline

GIB = 1024**3
COMMUNITY = "pyannote/speaker-diarization-community-1"


def timeline(
    spans: list[SpeakerSpan], exclusive: list[SpeakerSpan] | None = None, seconds: float = 10.0
) -> list[tuple[object, ...]]:
    diarization = Diarization(tuple(spans), tuple(spans if exclusive is None else exclusive))
    built = build_timeline(diarization, seconds, model="m", device="d", notes=["", "one", "one"])
    assert built.notes == ("one",)
    kind = built.segments if exclusive is None else built.exclusive
    return [(turn.start, turn.end, turn.speaker[-2:]) for turn in kind]


def test_speakers_are_numbered_by_first_appearance_whatever_the_model_calls_them() -> None:
    spans = [
        SpeakerSpan(4, 5, "SPEAKER_00"),
        SpeakerSpan(0.5, 2, "SPEAKER_07"),
        SpeakerSpan(2, 4, "SPEAKER_00"),
        SpeakerSpan(6, 7, "x"),
    ]
    assert timeline(spans) == [(0.5, 2, "00"), (2, 4, "01"), (4, 5, "01"), (6, 7, "02")]


@pytest.mark.parametrize(
    ("spans", "turns"),
    [
        pytest.param([SpeakerSpan(9.5, 11.2, "a")], [(9.5, 10, "00")], id="past the end"),
        pytest.param([SpeakerSpan(-0.01, 1, "a")], [(0, 1, "00")], id="before the start"),
        pytest.param([SpeakerSpan(10.2, 11, "a")], [], id="all of it after the end"),
        pytest.param([SpeakerSpan(1.0001, 1.0004, "a")], [], id="shorter than a millisecond"),
        pytest.param([], [], id="no speech"),
        pytest.param([SpeakerSpan(0, 5, "a"), SpeakerSpan(2, 3, "b")], [(0, 5, "00"), (2, 3, "01")], id="two at once"),
    ],
)
def test_turns_lie_inside_the_recording(spans: list[SpeakerSpan], turns: list[tuple[object, ...]]) -> None:
    assert timeline(spans) == turns


def test_exclusive_turns_never_overlap_even_by_rounding() -> None:
    spans = [SpeakerSpan(0, 3, "a"), SpeakerSpan(3, 6, "b")]
    exclusive = [SpeakerSpan(0, 3.0006, "a"), SpeakerSpan(3.0004, 6, "b"), SpeakerSpan(4, 5, "a")]
    assert timeline(spans, exclusive) == [(0, 3.001, "00"), (3.001, 6, "01")]


def test_progress_never_falls_and_stays_in_its_step() -> None:
    reports: list[tuple[DiarizeStep, float, str]] = []
    hook = ProgressHook(lambda step, percent, note: reports.append((step, percent, note)))
    for count in (0, 3, 8):
        hook("segmentation", None, file={}, total=8, completed=count)
    hook("segmentation", object(), file={})
    hook("speaker_counting", object())
    for count in (0, 1, 2, 5):
        hook("embeddings", None, total=2, completed=count)
    hook("embeddings", object())
    hook("something pyannote may add", object(), total=9, completed=9)
    hook("discrete_diarization", object())
    hook.report(DiarizeStep.CLUSTERING, 1.0)
    percents = [percent for _, percent, _ in reports]
    assert percents == sorted(percents)
    assert percents[-1] == DIARIZE_PROGRESS[DiarizeStep.CLUSTERING][1]
    assert all(DIARIZE_PROGRESS[step][0] <= percent <= DIARIZE_PROGRESS[step][1] for step, percent, _ in reports)
    steps = [step for step, _ in itertools.groupby(step for step, _, _ in reports)]
    assert steps == [DiarizeStep.SEGMENTATION, DiarizeStep.EMBEDDINGS, DiarizeStep.CLUSTERING]


def test_a_second_run_reports_its_note_and_does_not_fall() -> None:
    reports: list[tuple[DiarizeStep, float, str]] = []
    hook = ProgressHook(lambda step, percent, note: reports.append((step, percent, note)))
    hook("embeddings", None, total=2, completed=1)
    before = reports[-1]
    hook.report(DiarizeStep.LOADING, 1.0, "smaller batches")
    hook("segmentation", None, total=2, completed=1)
    assert reports[1:] == [(before[0], before[1], "smaller batches")]
    hook("embeddings", None, total=2, completed=2)
    assert reports[-1][1] > before[1]


def test_memory_steps_down_to_the_cpu_with_a_sentence_for_each() -> None:
    plan, steps_down = first_plan("cuda", 80 * GIB), []
    while (following := next_plan(plan, allow_cpu=True)) is not None:
        plan, sentence = following
        steps_down.append((plan.device, plan.batch, sentence))
    assert [(device, batch) for device, batch, _ in steps_down] == [
        ("cuda", 64),
        ("cuda", 16),
        ("cuda", 4),
        ("cuda", 1),
        ("cpu", 8),
    ]
    assert all(sentence.startswith("The GPU's memory did not suffice") for _, _, sentence in steps_down)
    assert len({sentence for _, _, sentence in steps_down}) == len(steps_down)


@pytest.mark.parametrize(
    ("device", "free", "plan"),
    [
        pytest.param("cpu", None, ComputePlan("cpu", 8), id="no GPU"),
        pytest.param("cuda", 500 * 1024**2, ComputePlan("cuda", 1), id="almost full GPU"),
        pytest.param("cuda", 4 * GIB, ComputePlan("cuda", 15), id="small GPU"),
        pytest.param("cuda", 140 * GIB, ComputePlan("cuda", 256), id="large GPU"),
    ],
)
def test_batches_fit_the_memory(device: str, free: int | None, plan: ComputePlan) -> None:
    assert first_plan(device, free) == plan


def test_the_cpu_is_the_end_and_may_be_forbidden() -> None:
    assert next_plan(ComputePlan("cpu", 8), allow_cpu=True) is None
    assert next_plan(ComputePlan("cuda", 1), allow_cpu=False) is None


def test_chooses_the_model(tmp_path: Path) -> None:
    for name in ("segmentation-3.0.bin", "campplus.pt", "campplus_network.py", "config.yaml"):
        (tmp_path / name).touch()
    assert choose_model("bundled", None, bundled=tmp_path) == BundledModel(tmp_path)
    assert choose_model(str(tmp_path), None) == FolderModel(tmp_path)
    assert choose_model(COMMUNITY, "hf_x") == HubModel(COMMUNITY, "hf_x")


@pytest.mark.parametrize(
    ("model", "token", "words"),
    [
        pytest.param("bundled", None, ["not part of this installation", "make diarizer"], id="bundled, not built"),
        pytest.param(COMMUNITY, None, [COMMUNITY, "HF_TOKEN is not set", "terms", "`bundled`"], id="no token"),
        pytest.param(COMMUNITY, "", ["HF_TOKEN is not set"], id="empty token"),
        pytest.param("/no/such/place", "hf_x", ["no folder /no/such/place"], id="no folder"),
        pytest.param("~nobody-of-that-name/x", "hf_x", ["no folder ~nobody-of-that-name/x"], id="no such home"),
        pytest.param("/", "hf_x", ["config.yaml is missing"], id="a folder of other things"),
        pytest.param("community 1", "hf_x", ["names no model", "`bundled`"], id="nonsense"),
    ],
)
def test_says_why_a_model_cannot_be_had(model: str, token: str | None, words: list[str], tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError) as raised:
        choose_model(model, token, bundled=tmp_path)
    assert all(word in str(raised.value) for word in words), str(raised.value)
    assert len(str(raised.value)) <= 500


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        pytest.param(("GatedRepoError", "RepositoryNotFoundError", "HfHubHTTPError"), "terms", id="terms refused"),
        pytest.param(("RepositoryNotFoundError", "HfHubHTTPError"), "token is valid", id="unknown, or a bad token"),
        pytest.param(("LocalEntryNotFoundError", "FileNotFoundError"), "does not answer", id="no network"),
        pytest.param(("ConnectError", "TransportError"), "does not answer", id="connection refused"),
        pytest.param(("HfHubHTTPError", "HTTPError"), "HF_TOKEN", id="another answer"),
        pytest.param(("KeyError", "LookupError"), "KeyError", id="not a pipeline"),
    ],
)
def test_explains_the_hub(kinds: tuple[str, ...], words: str) -> None:
    sentence = explain_hub_error(COMMUNITY, kinds)
    assert words in sentence
    assert COMMUNITY in sentence


def test_a_chunk_is_read_as_mp3_and_nothing_else() -> None:
    argv = decode_argv("/bin/ffmpeg", Path("/in/a -b.mp3"), chunk=True)
    assert argv[argv.index("-i") + 1] == "file:/in/a -b.mp3"
    assert argv[argv.index("-format_whitelist") + 1] == "mp3"
    assert argv.index("-protocol_whitelist") < argv.index("-i") < argv.index("-ar")
    assert argv[-3:] == ["-f", "s16le", "pipe:1"]
    assert "-format_whitelist" not in decode_argv("/bin/ffmpeg", Path("/x.wav"), chunk=False)
