"""One attempt: load the model, fetch and decode the chunks, find who speaks, publish the timeline or the verdict."""

from collections.abc import Callable
from pathlib import Path

from whisperjob.model import names
from whisperjob.model.errors import ClaimRefusedError, InputError, ModelUnavailableError
from whisperjob.model.manifest import Failure
from whisperjob.model.phase import DIARIZE_PROGRESS, DiarizeStep
from whisperjob.model.protocol import Claim, DiarizeOptions
from whisperjob.model.timeline import Timeline
from whisperjob.worker.transport.opening import open_transport
from whisperjob.worker.transport.port import FetchedFile, Transport
from whisperjob_diarizer.build_timeline import build_timeline
from whisperjob_diarizer.decode import Decoder, Waveform
from whisperjob_diarizer.diarizer import Diarizer, Loading, Report

_MESSAGE_CHARACTERS = 500


def attempt(
    claim: Claim, renew: Callable[[], Claim], report: Report, decoder: Decoder, scratch: Path, load: Loading
) -> None:
    """Returns when a timeline or a failure was published; raises for everything that is worth another attempt."""
    transport = open_transport(claim, renew, scratch)
    if not isinstance(claim.options, DiarizeOptions):
        raise ClaimRefusedError(f"this worker cannot {claim.options.stage}")
    try:
        timeline = _timeline(claim, claim.options, transport, report, decoder, load)
    except (InputError, ModelUnavailableError) as error:
        verdict = Failure(code=error.code, message=str(error)[:_MESSAGE_CHARACTERS])
        transport.publish_json(verdict, names.FAILURE_NAME)
        return
    transport.publish_json(timeline, names.MANIFEST_NAME)


def _timeline(
    claim: Claim, options: DiarizeOptions, transport: Transport, report: Report, decoder: Decoder, load: Loading
) -> Timeline:
    diarizer = load(options)
    low, high = DIARIZE_PROGRESS[DiarizeStep.LOADING]
    begun = low + (high - low) / 2
    report(DiarizeStep.LOADING, begun, "")
    total = sum(_samples(claim, index) for index in range(len(claim.inputs)))
    waveform = Waveform(total)
    for index in range(len(claim.inputs)):
        fetched = transport.fetch(index)
        try:
            waveform.add(fetched.path, _samples(claim, index), decoder)
        finally:
            _remove_copy(fetched)
        report(DiarizeStep.LOADING, begun + (high - begun) * (index + 1) / len(claim.inputs), "")
    for note in waveform.notes:
        report(DiarizeStep.LOADING, high, note)
    return diarized(waveform, diarizer, options, report)


def diarized(waveform: Waveform, diarizer: Diarizer, options: DiarizeOptions, report: Report) -> Timeline:
    """Of audio that is decoded. Raises MemoryError."""
    notes = list(waveform.notes)

    def noting(step: DiarizeStep, percent: float, note: str) -> None:
        notes.append(note)
        report(step, percent, note)

    found = diarizer.diarize(waveform.data, options, noting)
    return build_timeline(found, waveform.duration_seconds, model=diarizer.model, device=diarizer.device, notes=notes)


def _samples(claim: Claim, index: int) -> int:
    samples = claim.inputs[index].samples
    if samples is None:
        raise ClaimRefusedError("a chunk comes without its number of samples")
    return samples


def _remove_copy(fetched: FetchedFile) -> None:
    """Removes a chunk that was copied to scratch; after decoding it is not needed."""
    if fetched.temporary:
        fetched.path.unlink(missing_ok=True)
