"""Every stage has all that the engine needs for it: a new stage must not be found missing while a job runs."""

import io
from pathlib import Path

import pytest

from support.builders import T0, a_job, a_manifest, a_spec, a_timeline
from whisperjob.deciding.decision import Diarized, Finished, Policy
from whisperjob.engine.attempt_results import read_result
from whisperjob.engine.claims import build_claim
from whisperjob.engine.ports import WorkerIdentity
from whisperjob.model import names
from whisperjob.model.base import Model
from whisperjob.model.phase import STAGE_OF_STEP, Phase, Stage
from whisperjob.model.resource import DiarizationRequest, Output, WhisperJob
from whisperjob.model.settings import EngineSettings
from whisperjob.model.stages import STAGES
from whisperjob.stores.folder import FolderStore

MANIFEST = a_manifest((16_000, 8000))
RESULTS: dict[Stage, Model] = {Stage.OPTIMIZE: MANIFEST, Stage.DIARIZE: a_timeline()}
KINDS = {Stage.OPTIMIZE: Finished, Stage.DIARIZE: Diarized}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


def put_result(store: FolderStore, job: WhisperJob, stage: Stage) -> str:
    """Stores what a worker of this stage publishes; returns the prefix of it."""
    prefix = names.attempt_prefix(job.metadata.namespace, job.uid, stage, 1)
    for chunk in MANIFEST.chunks if stage is Stage.OPTIMIZE else ():
        store.put(prefix + chunk.filename, io.BytesIO(bytes(chunk.size_bytes)))
    store.put(prefix + names.MANIFEST_NAME, io.BytesIO(RESULTS[stage].model_dump_json(by_alias=True).encode()))
    return prefix


@pytest.mark.parametrize("stage", Stage)
def test_every_stage_is_defined_and_has_steps(stage: Stage) -> None:
    assert STAGES[stage].stage is stage
    assert stage in STAGE_OF_STEP.values()


@pytest.mark.parametrize("stage", Stage)
def test_the_result_of_every_stage_is_read(store: FolderStore, stage: Stage) -> None:
    result = read_result(store, stage, put_result(store, a_job(), stage))
    assert isinstance(result, KINDS[stage])


@pytest.mark.parametrize("stage", Stage)
def test_the_worker_of_every_stage_gets_its_inputs_and_options(store: FolderStore, stage: Stage) -> None:
    prefix = put_result(store, a_job(), Stage.OPTIMIZE)
    job = a_job(
        spec=a_spec(diarization=DiarizationRequest(request_id="r1")),
        phase=Phase.COMPLETED,
        output=Output(
            manifest_key=prefix + names.MANIFEST_NAME,
            manifest_sha256="ab" * 32,
            total_chunks=len(MANIFEST.chunks),
            size_bytes=MANIFEST.size_bytes,
        ),
    )
    store.put(job.spec.source.key, io.BytesIO(bytes(job.spec.source.size_bytes)))
    worker = WorkerIdentity(job.name, job.uid, stage, 1)
    claim = build_claim(job, worker, store, EngineSettings(), Policy(), T0)
    sources = {Stage.OPTIMIZE: [job.spec.source.filename], Stage.DIARIZE: [c.filename for c in MANIFEST.chunks]}
    assert [one.filename for one in claim.inputs] == sources[stage]
    assert claim.options.stage is stage
