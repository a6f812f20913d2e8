"""Runs the optimizer's pipeline on a file, in this process, as the worker does."""

from dataclasses import dataclass, field
from pathlib import Path

from whisperjob.model.manifest import Manifest
from whisperjob.model.phase import Step
from whisperjob.model.protocol import OptimizeOptions, WorkLimits
from whisperjob_optimizer.pipeline import optimize
from whisperjob_optimizer.tools import Tools


@dataclass
class Optimized:
    """A finished run: manifest, folder of results, progress reports."""

    manifest: Manifest
    folder: Path
    reports: list[tuple[Step, float, float | None]] = field(default_factory=list)

    @property
    def chunks(self) -> list[Path]:
        return [self.folder / chunk.filename for chunk in self.manifest.chunks]


def optimized(
    source: Path, *, filename: str | None = None, limits: WorkLimits | None = None, **options: object
) -> Optimized:
    """Optimises a file under a name without any hint, as a store has it, into a folder beside it.

    It checks that nothing is left in scratch, whatever happens.
    """
    stored = source.parent / "stored"
    stored.unlink(missing_ok=True)
    stored.hardlink_to(source)
    out, scratch = source.parent / "out", source.parent / "scratch"
    out.mkdir(exist_ok=True)
    scratch.mkdir(exist_ok=True)
    reports: list[tuple[Step, float, float | None]] = []
    try:
        manifest = optimize(
            stored,
            source.name if filename is None else filename,
            out,
            scratch,
            OptimizeOptions.model_validate(options),
            limits or WorkLimits(),
            lambda *report: reports.append(report),
            Tools.find(),
        )
    finally:
        assert list(scratch.iterdir()) == []
    return Optimized(manifest, out, reports)
