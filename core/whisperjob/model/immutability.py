"""What may never change in a record: one pure table.

SQLite enforces it by these functions, the CRD by CEL expressions; the contract suite holds both to the same cases.
"""

from whisperjob.model.errors import RecordInvalidError
from whisperjob.model.resource import MUTABLE_SPEC_FIELDS, DiarizationState, Spec, Status
from whisperjob.model.stages import is_retryable

TERMINAL_STATUS_FIELDS = ("phase", "output", "error", "duration_seconds", "completion_time")


def check_spec_change(old: Spec, new: Spec) -> None:
    """Raises RecordInvalidError if `new` changes a field that is fixed at creation, or withdraws a cancellation."""
    for field in sorted(set(Spec.model_fields) - MUTABLE_SPEC_FIELDS):
        if getattr(old, field) != getattr(new, field):
            raise RecordInvalidError(f"spec.{field} is immutable")
    if new.multichannel and new.diarization is not None:
        raise RecordInvalidError("the channels of a multichannel job are its speakers: it has no diarization")
    if old.cancel and not new.cancel:
        raise RecordInvalidError("spec.cancel cannot be taken back")


def check_status_change(old: Status, new: Status) -> None:
    """Raises RecordInvalidError if `new` changes what is final, or lowers a count that only grows."""
    runs_again = is_retryable(old) and new.retry != old.retry
    if old.phase.terminal and not runs_again:
        for field in TERMINAL_STATUS_FIELDS:
            if getattr(old, field) != getattr(new, field):
                raise RecordInvalidError(f"status.{field} is final once the job has ended")
    if new.attempt < old.attempt:
        raise RecordInvalidError("status.attempt never shrinks")
    if new.failure_count < old.failure_count and not runs_again:
        raise RecordInvalidError("status.failure_count never shrinks, until the job runs again")
    _check_diarization_change(old.diarization, new.diarization)
    if new.phase.terminal and (new.error is None) == (new.output is None):
        raise RecordInvalidError("an ended job has either an output or an error")


def _check_diarization_change(old: DiarizationState | None, new: DiarizationState | None) -> None:
    if old is None or new is None:
        return
    if new.attempt < old.attempt:
        raise RecordInvalidError("status.diarization.attempt never shrinks")
    if old.phase.terminal and new.request_id == old.request_id and new != old:
        raise RecordInvalidError("status.diarization is final once it has ended, until it is requested again")
