"""pyannote's progress hook, translated: its steps' names and counts into ours, and into a percent that never falls.

pyannote calls `hook(step, artifact, file=…, total=…, completed=…)`; steps without counts are told once, at their end.
"""

from whisperjob.model.phase import DIARIZE_PROGRESS, DiarizeStep
from whisperjob_diarizer.diarizer import Report

_STEPS = {
    "segmentation": DiarizeStep.SEGMENTATION,
    "speaker_counting": DiarizeStep.EMBEDDINGS,
    "embeddings": DiarizeStep.EMBEDDINGS,
    "discrete_diarization": DiarizeStep.CLUSTERING,
}
_ENDS_ITS_STEP = frozenset({"segmentation", "embeddings"})
"""Told without counts once they are done: the next step begins."""

_ORDER = list(DiarizeStep)


class Hook:
    """One run's progress; give it to pyannote as `hook`. A second run over the same audio starts no lower."""

    def __init__(self, report: Report) -> None:
        self._report = report
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
        del file
        step = _STEPS.get(step_name)
        if step is None:
            return
        if total is not None and completed is not None:
            self.at(step, min(1.0, completed / max(1, total)))
        elif step_name in _ENDS_ITS_STEP:
            self.at(_ORDER[_ORDER.index(step) + 1], 0.0)
        else:
            self.at(step, 0.0)

    def at(self, step: DiarizeStep, share: float, note: str = "") -> None:
        """`share` of the step is done, 0 to 1."""
        low, high = DIARIZE_PROGRESS[step]
        percent = low + (high - low) * share
        if percent < self._percent or _ORDER.index(step) < _ORDER.index(self._step):
            if not note:
                return
        else:
            self._step, self._percent = step, percent
        self._report(self._step, self._percent, note)
