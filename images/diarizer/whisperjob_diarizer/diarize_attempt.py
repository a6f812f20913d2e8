"""One attempt: load the model, fetch and decode the chunks, diarize them, publish the timeline or the verdict."""

from collections.abc import Callable
from pathlib import Path

from whisperjob.model import names
from whisperjob.model.errors import InputError, ModelUnavailableError, ProtocolViolationError
from whisperjob.model.manifest import Verdict
from whisperjob.model.phase import DIARIZE_PROGRESS, DiarizeStep
from whisperjob.model.protocol import Claim, DiarizeOptions
from whisperjob.model.timeline import Timeline
from whisperjob.worker.transport.opening import open_transport
from whisperjob.worker.transport.port import FetchedFile, Transport
from whisperjob_diarizer.decode import Decoder, Waveform
from whisperjob_diarizer.port import Diarizer, DiarizerLoader, OnProgress
from whisperjob_diarizer.timelines import build_timeline

_MAX_MESSAGE_LENGTH = 500


def run_attempt(
    claim: Claim,
    claim_again: Callable[[], Claim],
    on_progress: OnProgress,
    decoder: Decoder,
    scratch: Path,
    load: DiarizerLoader,
) -> None:
    """Returns when a timeline or a verdict was published; raises for everything that another attempt may change."""
    transport = open_transport(claim, claim_again, scratch)
    if not isinstance(claim.options, DiarizeOptions):
        raise ProtocolViolationError(f"this worker cannot {claim.options.stage}")
    try:
        timeline = _create_timeline(claim, claim.options, transport, on_progress, decoder, load)
    except (InputError, ModelUnavailableError) as error:
        verdict = Verdict(code=error.code, message=str(error)[:_MAX_MESSAGE_LENGTH])
        transport.publish_json(verdict, names.FAILURE_NAME)
        return
    transport.publish_json(timeline, names.MANIFEST_NAME)


def _create_timeline(
    claim: Claim,
    options: DiarizeOptions,
    transport: Transport,
    on_progress: OnProgress,
    decoder: Decoder,
    load: DiarizerLoader,
) -> Timeline:
    diarizer = load(options)
    low, high = DIARIZE_PROGRESS[DiarizeStep.LOADING]
    loaded = low + (high - low) / 2
    on_progress(DiarizeStep.LOADING, loaded, "")
    total = sum(_samples(claim, index) for index in range(len(claim.inputs)))
    waveform = Waveform(total)
    for index in range(len(claim.inputs)):
        fetched = transport.fetch(index)
        try:
            waveform.add(fetched.path, _samples(claim, index), decoder)
        finally:
            _remove_copy(fetched)
        on_progress(DiarizeStep.LOADING, loaded + (high - loaded) * (index + 1) / len(claim.inputs), "")
    for note in waveform.notes:
        on_progress(DiarizeStep.LOADING, high, note)
    return diarize_waveform(waveform, diarizer, options, on_progress)


def diarize_waveform(
    waveform: Waveform, diarizer: Diarizer, options: DiarizeOptions, on_progress: OnProgress
) -> Timeline:
    """Builds the timeline of audio that is decoded; every note of the diarizer's goes into it. Raises MemoryError."""
    notes = list(waveform.notes)

    def collect_note(step: DiarizeStep, percent: float, note: str) -> None:
        notes.append(note)
        on_progress(step, percent, note)

    diarization = diarizer.diarize(waveform.data, options, collect_note)
    return build_timeline(
        diarization, waveform.duration_seconds, model=diarizer.model, device=diarizer.device, notes=notes
    )


def _samples(claim: Claim, index: int) -> int:
    samples = claim.inputs[index].samples
    if samples is None:
        raise ProtocolViolationError("a chunk comes without its number of samples")
    return samples


def _remove_copy(fetched: FetchedFile) -> None:
    """Removes a chunk that was copied to scratch; after decoding it is not needed."""
    if fetched.temporary:
        fetched.path.unlink(missing_ok=True)
