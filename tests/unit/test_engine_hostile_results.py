"""What a compromised worker leaves as its result is unusable, and costs the engine little: no crash, no gigabytes."""

import json
import tracemalloc
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.builders import a_manifest, a_timeline
from whisperjob.deciding.decision import Unusable
from whisperjob.engine.attempt_results import read_result
from whisperjob.model import names
from whisperjob.model.manifest import MAX_TIMELINE_BYTES, Manifest
from whisperjob.model.phase import Stage
from whisperjob.model.timeline import Timeline, to_rttm
from whisperjob.stores.folder import FolderStore

PREFIX = "results/a/1/"
MANIFEST = json.loads(a_manifest().model_dump_json(by_alias=True))
TIMELINE = json.loads(a_timeline().model_dump_json(by_alias=True))
MAX_MEMORY_BYTES = 400 << 20


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def read(store: FolderStore, stage: Stage, data: bytes, name: str = names.MANIFEST_NAME) -> object:
    store.put(PREFIX + name, BytesIO(data))
    return read_result(store, stage, PREFIX)


def changed(body: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({**body, **fields}).encode()


TURN = {"start": 0, "end": 1, "speaker": "SPEAKER_00"}
CHUNK = MANIFEST["chunks"][0]

ROWS = [
    pytest.param(Stage.OPTIMIZE, b"[" * 60_000, id="deep"),
    pytest.param(Stage.OPTIMIZE, changed(MANIFEST)[:-1] + b', "x": ' + b"[" * 60_000, id="deep in an unknown field"),
    pytest.param(Stage.OPTIMIZE, b"\0" * 1000, id="NUL"),
    pytest.param(Stage.OPTIMIZE, changed(MANIFEST, gainDb=float("nan")), id="NaN"),
    pytest.param(Stage.OPTIMIZE, changed(MANIFEST, noiseFloorLufs=-float("inf")), id="infinite"),
    pytest.param(Stage.OPTIMIZE, changed(MANIFEST, samples=10**4000), id="a number of 4,000 digits"),
    pytest.param(Stage.OPTIMIZE, changed(MANIFEST, chunks=[{**CHUNK, "channel": 10**4000}]), id="channel"),
    pytest.param(Stage.OPTIMIZE, changed(MANIFEST, chunks=[{**CHUNK, "filename": "../x.mp3"}]), id="path"),
    pytest.param(Stage.OPTIMIZE, changed(MANIFEST, chunks=[{}] * 900_000), id="empty chunks"),
    pytest.param(Stage.OPTIMIZE, changed(MANIFEST, warnings=["x"] * 700_000), id="unknown warnings"),
    pytest.param(Stage.OPTIMIZE, b"x" * (5 << 20), id="too large"),
    pytest.param(Stage.DIARIZE, changed(TIMELINE, segments=[{}] * 5_000_000), id="empty turns"),
    pytest.param(Stage.DIARIZE, changed(TIMELINE, segments=[TURN] * 300_000), id="too many turns"),
    pytest.param(Stage.DIARIZE, changed(TIMELINE, segments=[{**TURN, "end": float("inf")}]), id="endless turn"),
    pytest.param(Stage.DIARIZE, changed(TIMELINE, durationSeconds=1e300), id="longer than the universe"),
    pytest.param(Stage.DIARIZE, changed(TIMELINE, segments=[{**TURN, "speaker": "\x1b[2J"}]), id="speaker"),
    pytest.param(Stage.DIARIZE, changed(TIMELINE, notes=["a"] * 3_000_000), id="notes"),
]


@pytest.mark.parametrize(("stage", "data"), ROWS)
def test_a_bad_result_is_unusable_and_costs_little(store: FolderStore, stage: Stage, data: bytes) -> None:
    assert len(data) <= MAX_TIMELINE_BYTES
    tracemalloc.start()
    try:
        result = read(store, stage, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(result, Unusable)
    assert result.why.isprintable()
    assert peak < MAX_MEMORY_BYTES


@pytest.mark.parametrize("data", [b"[" * 60_000, b"{}", b'{"code":"\x1b","message":"a"}', b'{"code":"not_media"}', b""])
def test_a_bad_verdict_is_unusable(store: FolderStore, data: bytes) -> None:
    assert isinstance(read(store, Stage.OPTIMIZE, data, names.FAILURE_NAME), Unusable)


LEAVES = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5) | st.just(10**400)
ANY = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_of_a_good_result_is_a_result_or_unusable(store: FolderStore, data: st.DataObject) -> None:
    stage, good, model = data.draw(
        st.sampled_from([(Stage.OPTIMIZE, MANIFEST, Manifest), (Stage.DIARIZE, TIMELINE, Timeline)])
    )
    field = data.draw(st.sampled_from(sorted(good)))
    body = changed(good, **{field: data.draw(ANY)})
    result = read(store, stage, body)
    if isinstance(result, Unusable):
        return
    parsed = model.model_validate_json(body)
    json.loads(parsed.model_dump_json(by_alias=True), parse_constant=lambda name: pytest.fail(name))
    if isinstance(parsed, Timeline):
        to_rttm("a", parsed)
