"""pyannote's SpeakerDiarization for the bundled models, with steps that take less time and memory.

The method is pyannote's: windows of ten seconds, who speaks in each, a voice print of each of them, clustering of the
prints, reconstruction of the turns. What is different, and why:

- The audio stays 16-bit; a window is converted when it is looked at.
- On a CPU, each core has one thread, which computes whole windows: threads inside an operation wait for each other more
  than these small networks compute.
- A voice print is made of the frames in which that voice speaks alone, not of ten seconds with the other frames masked.
- Clustering sees at most `MAX_CLUSTERED` prints, evenly spread: its memory and time grow with their square. The others
  go to the nearest cluster, as pyannote does with prints that are too weak to be clustered.
- Reconstruction adds up windows one after the other; pyannote holds windows × frames × speakers at once.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from pyannote.audio import Model
from pyannote.audio.core.plda import PLDA
from pyannote.audio.pipelines import SpeakerDiarization
from pyannote.audio.pipelines.clustering import AgglomerativeClustering
from pyannote.core import Annotation, Segment, SlidingWindow, SlidingWindowFeature

from whisperjob_diarizer.campplus import (
    DIMENSION,
    FRAME_SAMPLES,
    CampPlus,
    fit_voice_frames,
    frame_centres,
    frame_count,
    mel_bands,
)

SAMPLE_RATE = 16_000
FULL_SCALE = 32_768
SEGMENTATION_STEP = 0.1
"""The distance of windows, as a share of their ten seconds."""

MAX_CLUSTERED = 5_000
THRESHOLD = 0.69
"""Prints with a larger distance are of different people. Chosen on real meetings (docs/explanation/diarization.md)."""

PARAMETERS = {
    "segmentation": {"min_duration_off": 0.0},
    "clustering": {"method": "centroid", "min_cluster_size": 12, "threshold": THRESHOLD},
}

_LONGEST_FRAMES = 500
_GRAIN_FRAMES = 50
"""Voices are cut to a multiple of it: with few shapes of input, plans of computation can be used again."""

Hook = Callable[..., None]
Floats: TypeAlias = "npt.NDArray[np.float32]"
Embed = Callable[[torch.Tensor], Floats]
"""Computes voice prints: (batch, frames, 80) → (batch, dimension)."""


class NoPlda(PLDA):  # type: ignore[misc]  # pyannote has no types that mypy sees
    """Takes the place of the PLDA that the pipeline requires and uses only in another kind of clustering."""

    def __init__(self) -> None:
        """Loads nothing."""


class CappedClustering(AgglomerativeClustering):  # type: ignore[misc]  # pyannote has no types that mypy sees
    """Agglomerative clustering of at most MAX_CLUSTERED prints."""

    def filter_embeddings(self, embeddings: Any, segmentations: Any = None, min_active_ratio: float = 0.2) -> Any:
        """Returns the prints to cluster, with the window and the speaker of each."""
        prints, windows, speakers = super().filter_embeddings(embeddings, segmentations, min_active_ratio)
        if len(prints) <= MAX_CLUSTERED:
            return prints, windows, speakers
        spread = np.linspace(0, len(prints) - 1, MAX_CLUSTERED).round().astype(int)
        return prints[spread], windows[spread], speakers[spread]


@dataclass(frozen=True, slots=True)
class WindowVoice:
    """One speaker of one window, and the frames that the voice print is made of."""

    window: int
    speaker: int
    bands: torch.Tensor


class SpeakerPipeline(SpeakerDiarization):  # type: ignore[misc]  # pyannote has no types that mypy sees
    """The pipeline. Its input is {"waveform": (1, samples) of int16, "sample_rate": 16000}."""

    def __init__(
        self, segmentation: Model, embedding: CampPlus, *, batch: int, threads: int, embed: Embed | None = None
    ) -> None:
        """`embed` replaces the computation of voice prints by `embedding`, which PyTorch does."""
        super().__init__(
            segmentation=segmentation,
            segmentation_step=SEGMENTATION_STEP,
            embedding=embedding,
            embedding_exclude_overlap=True,
            clustering="AgglomerativeClustering",
            plda=NoPlda(),
        )
        self.clustering = CappedClustering(metric="cosine", constrained_assignment=True)
        self.instantiate(PARAMETERS)
        self._batch = batch
        self._threads = threads
        self._embed = embed

    def get_segmentations(self, file: Any, hook: Hook | None = None) -> SlidingWindowFeature:
        """Finds who speaks in each window: (windows, frames, speakers) of 0 and 1, in bytes."""
        inference = self._segmentation
        samples = file["waveform"][0]
        size, step = round(inference.duration * SAMPLE_RATE), round(inference.step * SAMPLE_RATE)
        windows = 1 + max(0, math.ceil((len(samples) - size) / step))
        classes = len(inference.model.specifications.classes)
        segmentations = np.zeros((windows, inference.model.num_frames(size), classes), dtype=np.uint8)

        def work(first: int) -> int:
            batch = [_window(samples, n * step, size) for n in range(first, min(first + self._batch, windows))]
            segmentations[first : first + len(batch)] = inference.infer(torch.stack(batch)[:, None])
            return len(batch)

        done = 0
        for count in self._map(work, range(0, windows, self._batch)):
            done += count
            _report(hook, "segmentation", done, windows)
        return SlidingWindowFeature(
            segmentations, SlidingWindow(start=0.0, duration=inference.duration, step=inference.step)
        )

    def get_embeddings(
        self, file: Any, binary_segmentations: Any, exclude_overlap: bool = False, hook: Hook | None = None
    ) -> Floats:
        """Computes voice prints: (windows, speakers, dimension); NaN for a speaker who is silent in a window."""
        del exclude_overlap  # it is always done
        samples, masks = file["waveform"][0], binary_segmentations.data
        window = binary_segmentations.sliding_window
        size, step = round(window.duration * SAMPLE_RATE), round(window.step * SAMPLE_RATE)
        prints = np.full((len(masks), masks.shape[2], DIMENSION), np.nan, dtype=np.float32)

        def work(first: int) -> int:
            numbers = range(first, min(first + self._batch, len(masks)))
            if masks[numbers.start : numbers.stop].any():
                bands = mel_bands(_window(samples, first * step, (len(numbers) - 1) * step + size))
                rows, hop = frame_count(size), step // FRAME_SAMPLES
                windows = [bands[hop * n :][:rows] for n in range(len(numbers))]
                voices = [v for n, own in zip(numbers, windows, strict=True) for v in self._voices(n, own, masks[n])]
                self._embed_voices(voices, prints)
            return len(numbers)

        done = 0
        for count in self._map(work, range(0, len(masks), self._batch)):
            done += count
            _report(hook, "embeddings", done, len(masks))
        return prints

    def _voices(self, number: int, bands: torch.Tensor, mask: npt.NDArray[np.uint8]) -> Iterator[WindowVoice]:
        receptive = self._segmentation.model.receptive_field
        rows = ((frame_centres(len(bands)) - receptive.duration / 2) / receptive.step).round().long()
        spoken = torch.from_numpy(mask)[rows.clamp(0, len(mask) - 1)] > 0
        alone = spoken & (spoken.sum(dim=1, keepdim=True) == 1)
        for speaker in np.flatnonzero(mask.any(axis=0)):
            own = alone[:, speaker] if alone[:, speaker].sum() >= _GRAIN_FRAMES else spoken[:, speaker]
            if own.any():
                yield WindowVoice(number, int(speaker), _cut_frames(bands[own]))

    def _embed_voices(self, voices: list[WindowVoice], prints: Floats) -> None:
        """Writes the voice prints of `voices` into `prints`, those of equal length in one batch."""
        embed = self._embed or self._embed_by_torch
        for length in {len(voice.bands) for voice in voices}:
            same_length = [voice for voice in voices if len(voice.bands) == length]
            stacked = torch.stack([voice.bands for voice in same_length])
            for voice, voice_print in zip(same_length, embed(stacked), strict=True):
                prints[voice.window, voice.speaker] = voice_print

    def _embed_by_torch(self, bands: torch.Tensor) -> Floats:
        with torch.inference_mode():
            prints: Floats = self._embedding.model_.embed(bands.to(self._segmentation.device)).cpu().numpy()
        return prints

    def _map(self, work: Callable[[int], int], firsts: range) -> Iterator[int]:
        """Yields the results of `work` in order, on as many threads as the pipeline has."""
        if self._threads == 1:
            yield from map(work, firsts)
            return
        with ThreadPoolExecutor(self._threads, thread_name_prefix="windows") as pool:
            try:
                yield from pool.map(work, firsts)
            finally:
                pool.shutdown(cancel_futures=True)

    def reconstruct(self, segmentations: Any, hard_clusters: Any, count: Any) -> SlidingWindowFeature:
        """Returns (frames, speakers) of 0 and 1: in each frame, the `count` voices that are active in most windows."""
        frames, data = count.sliding_window, segmentations.data
        length = data.shape[1]
        voices = max(int(np.max(hard_clusters)) + 1, int(np.max(count.data)))
        activations = np.zeros((len(count.data) + length, voices), dtype=np.float32)
        for number, clusters in enumerate(hard_clusters):
            start = frames.closest_frame(number * segmentations.sliding_window.step + 0.5 * frames.duration)
            for cluster in {int(c) for c in clusters if c >= 0}:
                activations[start : start + length, cluster] += data[number][:, clusters == cluster].max(axis=1)
        activations = activations[: len(count.data)]
        chosen = np.zeros(activations.shape, dtype=np.uint8)
        ranks = np.argsort(-activations, axis=1, kind="stable")
        for rank in range(int(np.max(count.data))):
            rows = np.flatnonzero(count.data[:, 0] > rank)
            chosen[rows, ranks[rows, rank]] = 1
        return SlidingWindowFeature(chosen, frames)

    @staticmethod
    def to_annotation(discrete: Any, min_duration_on: float = 0.0, min_duration_off: float = 0.0) -> Annotation:
        """Builds turns as pyannote does: from the middle of their first frame to that of the first frame after them."""
        del min_duration_on, min_duration_off  # both are 0 in PARAMETERS
        frames, annotation = discrete.sliding_window, Annotation()
        middle = frames.start + frames.duration / 2
        for voice, active in enumerate(discrete.data.T):
            edges = np.flatnonzero(np.diff(active.astype(np.int8), prepend=0, append=0))
            for first, after in edges.reshape(-1, 2):
                last = min(int(after), len(active) - 1)
                if last > first:
                    annotation[Segment(middle + first * frames.step, middle + last * frames.step), voice] = voice
        return annotation


def _window(samples: torch.Tensor, start: int, size: int) -> torch.Tensor:
    """Returns a window, (size), −1 to 1; behind the end of the recording there is silence."""
    piece = samples[start : start + size].float() / FULL_SCALE
    return piece if len(piece) == size else torch.nn.functional.pad(piece, (0, size - len(piece)))


def _cut_frames(bands: torch.Tensor) -> torch.Tensor:
    """Returns a voice's centred frames, cut to a multiple of _GRAIN_FRAMES and at most _LONGEST_FRAMES."""
    return fit_voice_frames(bands, min(_LONGEST_FRAMES, len(bands) // _GRAIN_FRAMES * _GRAIN_FRAMES))


def _report(hook: Hook | None, step: str, completed: int, total: int) -> None:
    if hook is not None:
        hook(step, None, completed=completed, total=total)
