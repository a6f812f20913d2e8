"""Each stage that this machine has a worker for has its program and its capacity."""

from pathlib import Path

from whisperjob.model.phase import Stage
from whisperjob_local.worker_programs import build_programs


def test_with_a_diarizer_every_stage_has_a_program() -> None:
    programs = build_programs("http://127.0.0.1:1", "ffmpeg", optimizers=3, diarizer=Path("/opt/python"))
    modules = {stage: program.argv(Path("scratch"))[6] for stage, program in programs.items()}
    assert set(modules) == set(Stage)
    assert modules == {Stage.OPTIMIZE: "whisperjob_optimizer.run", Stage.DIARIZE: "whisperjob_diarizer.run"}
    assert {stage: program.capacity for stage, program in programs.items()} == {
        Stage.OPTIMIZE: 3,
        Stage.DIARIZE: None,  # the engine limits it
    }


def test_every_worker_is_told_that_its_sandbox_is_required() -> None:
    for required in (True, False):
        programs = build_programs(
            "http://127.0.0.1:1", "ffmpeg", optimizers=3, diarizer=Path("/opt/python"), require_sandbox=required
        )
        told = {"--require-sandbox" in program.argv(Path("scratch")) for program in programs.values()}
        assert told == {required}


def test_without_a_diarizer_only_its_stage_has_none() -> None:
    programs = build_programs("http://127.0.0.1:1", "ffmpeg", optimizers=3, diarizer=None)
    assert set(Stage) - set(programs) == {Stage.DIARIZE}
