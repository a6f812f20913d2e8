"""One attempt: fetch the source, optimise it, publish the results, the manifest or the verdict last."""

from collections.abc import Callable
from pathlib import Path

from whisperjob.model import names
from whisperjob.model.errors import InputError, ProtocolViolationError
from whisperjob.model.manifest import Manifest, Verdict
from whisperjob.model.phase import STEP_PROGRESS, Step
from whisperjob.model.protocol import Claim, OptimizeOptions
from whisperjob.worker.processes.process_group import ProcessGroup
from whisperjob.worker.transport.opening import open_transport
from whisperjob.worker.transport.port import FetchedFile
from whisperjob_optimizer.pipeline import PUBLISHING_PERCENT, optimize
from whisperjob_optimizer.reporting import OnProgress
from whisperjob_optimizer.tools import Tools


def run_attempt(
    claim: Claim,
    claim_again: Callable[[], Claim],
    on_progress: OnProgress,
    processes: ProcessGroup,
    scratch: Path,
    ffmpeg: str,
) -> None:
    """Returns when a manifest or a verdict was published; raises for everything that another attempt may change."""
    tools = Tools.find(ffmpeg, processes=processes)
    transport = open_transport(claim, claim_again, scratch)
    source = transport.fetch()
    out_dir = scratch / "out"
    out_dir.mkdir()
    try:
        manifest = _optimize(claim, source, out_dir, scratch, on_progress, tools)
    except InputError as error:
        verdict = Verdict(code=error.code, message=error.message)
        transport.publish_json(verdict, names.FAILURE_NAME)
        return
    low, high = PUBLISHING_PERCENT, STEP_PROGRESS[Step.SPLITTING][1]
    for published, chunk in enumerate(manifest.chunks, start=1):
        transport.publish(out_dir / chunk.filename, chunk.filename)
        percent = low + (high - low) * published / len(manifest.chunks)
        on_progress(Step.SPLITTING, percent, manifest.duration_seconds)
    transport.publish_json(manifest, names.MANIFEST_NAME)


def _optimize(
    claim: Claim, source: FetchedFile, out_dir: Path, scratch: Path, on_progress: OnProgress, tools: Tools
) -> Manifest:
    limits = claim.limits
    given_bytes = limits.max_scratch_bytes if limits.scratch_bytes is None else limits.scratch_bytes
    left = {
        "max_scratch_bytes": max(1, limits.max_scratch_bytes - source.scratch_bytes),
        "scratch_bytes": max(1, given_bytes - source.scratch_bytes),
    }
    limits = limits.model_copy(update=left)
    if not isinstance(claim.options, OptimizeOptions):
        raise ProtocolViolationError(f"this worker cannot {claim.options.stage}")
    return optimize(
        source.path,
        claim.inputs[0].filename,
        out_dir,
        scratch,
        claim.options,
        limits,
        on_progress,
        tools,
        source_sha256=source.sha256,
    )
