"""Translates pyannote's progress hook: its steps and counts into the job's steps, and a percent that never falls.

pyannote calls `hook(step, artifact, file=…, total=…, completed=…)`. Steps without counts are reported once, at their
end.
"""

from whisperjob.model.phase import DIARIZE_PROGRESS, DiarizeStep
from whisperjob_diarizer.port import OnProgress

_STEPS = {
    "segmentation": DiarizeStep.SEGMENTATION,
    "speaker_counting": DiarizeStep.EMBEDDINGS,
    "embeddings": DiarizeStep.EMBEDDINGS,
    "discrete_diarization": DiarizeStep.CLUSTERING,
}
_REPORTED_AT_END = frozenset({"segmentation", "embeddings"})
"""pyannote's steps whose call without counts means that they are done and the next step begins."""

_ORDER = list(DiarizeStep)


class ProgressHook:
    """The progress of one diarization, to be given to pyannote as `hook`. A second run over the same audio does not
    start lower."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._step = DiarizeStep.LOADING
        self._percent = float(DIARIZE_PROGRESS[DiarizeStep.LOADING][0])

    def __call__(
        self,
        step_name: str,
        _artifact: object,
        file: object = None,
        total: int | None = None,
        completed: int | None = None,
    ) -> None:
        """Takes a call of pyannote's. Steps that it does not know are ignored."""
        del file
        step = _STEPS.get(step_name)
        if step is None:
            return
        if total is not None and completed is not None:
            self.report(step, min(1.0, completed / max(1, total)))
        elif step_name in _REPORTED_AT_END:
            self.report(_ORDER[_ORDER.index(step) + 1], 0.0)
        else:
            self.report(step, 0.0)

    def report(self, step: DiarizeStep, share: float, note: str = "") -> None:
        """Reports that `share` of the step (0 to 1) is done. What would fall is reported only for its note."""
        low, high = DIARIZE_PROGRESS[step]
        percent = low + (high - low) * share
        if percent < self._percent or _ORDER.index(step) < _ORDER.index(self._step):
            if not note:
                return
        else:
            self._step, self._percent = step, percent
        self._on_progress(self._step, self._percent, note)
