"""One attempt: fetch the source, optimise it, publish the results, the manifest or the verdict last."""

from collections.abc import Callable
from pathlib import Path

from whisperjob.model import names
from whisperjob.model.errors import ClaimRefusedError, InputError
from whisperjob.model.manifest import Failure, Manifest
from whisperjob.model.phase import STEP_PROGRESS, Step
from whisperjob.model.protocol import Claim, OptimizeOptions
from whisperjob.worker.processes.process_group import ProcessGroup
from whisperjob.worker.transport.opening import open_transport
from whisperjob.worker.transport.port import FetchedFile
from whisperjob_optimizer.pipeline import PUBLISHING_PERCENT, Report, optimize
from whisperjob_optimizer.tools import Tools


def attempt(
    claim: Claim, renew: Callable[[], Claim], report: Report, processes: ProcessGroup, scratch: Path, ffmpeg: str
) -> None:
    """Returns when a manifest or a failure was published; raises for everything that is worth another attempt."""
    tools = Tools.find(ffmpeg, processes=processes)
    transport = open_transport(claim, renew, scratch)
    fetched = transport.fetch()
    out = scratch / "out"
    out.mkdir()
    try:
        manifest = _optimize(claim, fetched, out, scratch, report, tools)
    except InputError as error:
        verdict = Failure(code=error.code, message=error.message)
        transport.publish_json(verdict, names.FAILURE_NAME)
        return
    low, high = PUBLISHING_PERCENT, STEP_PROGRESS[Step.SPLITTING][1]
    for done, chunk in enumerate(manifest.chunks, start=1):
        transport.publish(out / chunk.filename, chunk.filename)
        report(Step.SPLITTING, low + (high - low) * done / len(manifest.chunks), manifest.duration_seconds)
    transport.publish_json(manifest, names.MANIFEST_NAME)


def _optimize(claim: Claim, fetched: FetchedFile, out: Path, scratch: Path, report: Report, tools: Tools) -> Manifest:
    room = max(1, claim.limits.max_scratch_bytes - fetched.scratch_bytes)
    limits = claim.limits.model_copy(update={"max_scratch_bytes": room})
    if not isinstance(claim.options, OptimizeOptions):
        raise ClaimRefusedError(f"this worker cannot {claim.options.stage}")
    name = claim.inputs[0].filename
    return optimize(
        fetched.path, name, out, scratch, claim.options, limits, report, tools, source_sha256=fetched.sha256
    )
