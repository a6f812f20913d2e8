"""CAM++, a network that distinguishes voices, as an embedding model of pyannote's.

Its code and weights are among the bundled models (deploy/diarizer/models.py). The input is 80 mel bands per hundredth
of a second, with their mean subtracted; the output, a voice print, is 192 numbers. Beside pyannote's way of calling it,
on masked ten-second windows, there is one on a voice's own frames alone: the other frames of a window cost as much time
and contribute nothing.
"""

import importlib.util
from pathlib import Path
from typing import Any

import torch
import torchaudio.compliance.kaldi as kaldi
from pyannote.audio import Model

MEL_BANDS = 80
DIMENSION = 192
FRAME_SAMPLES = 160
FRAME_SECONDS = FRAME_SAMPLES / 16_000
_WINDOW_SAMPLES = 400
_FRAME_CENTRE_SECONDS = 0.0125
SHORTEST_FRAMES = 50
"""Shorter voices are repeated up to this many frames, half a second."""


class CampPlus(Model):  # type: ignore[misc]  # pyannote has no types that mypy sees
    """CAM++ behind pyannote's interface of embedding models."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__(sample_rate=16_000, num_channels=1)
        self.network = network

    @property
    def dimension(self) -> int:
        """The length of a voice print."""
        return DIMENSION

    def forward(self, waveforms: torch.Tensor, weights: torch.Tensor | None = None) -> torch.Tensor:
        """Computes voice prints: (batch, 1, samples), (batch, frames) of 0 and 1 → (batch, dimension).

        A print is NaN where the mask is all 0. Masked frames are removed before the network, not when its output is
        pooled: this network looks at the mean of its whole input, and with masked frames in it no longer distinguished
        two people (an error rate of 44 % instead of 5 %).
        """
        embeddings = torch.full((len(waveforms), DIMENSION), torch.nan, device=waveforms.device)
        for index, waveform in enumerate(waveforms):
            bands = mel_bands(waveform[0])
            if weights is not None:
                rows = torch.linspace(0, weights.shape[1] - 1, len(bands), device=bands.device).round().long()
                bands = bands[weights[index][rows] > 0.5]
            if len(bands):
                embeddings[index] = self.embed(fit_voice_frames(bands, len(bands))[None])[0]
        return embeddings

    def embed(self, bands: torch.Tensor) -> torch.Tensor:
        """Computes voice prints: (batch, frames, 80), as `fit_voice_frames` returns them → (batch, dimension)."""
        embeddings: torch.Tensor = self.network(bands)
        return embeddings


def load_campplus(code: Path, weights: Path) -> CampPlus:
    """Loads the network and its weights, whose SHA-256 the build has checked.

    Raises OSError, and what torch raises for a damaged file.
    """
    network = _import_network_class(code)(feat_dim=MEL_BANDS, embedding_size=DIMENSION)
    network.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    model = CampPlus(network)
    model.eval()
    return model


def _import_network_class(code: Path) -> Any:
    spec = importlib.util.spec_from_file_location("whisperjob_campplus_network", code)
    if spec is None or spec.loader is None:
        raise OSError(f"{code} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CAMPPlus


def mel_bands(waveform: torch.Tensor) -> torch.Tensor:
    """Computes mel bands as Kaldi does: (samples), −1 to 1 → (frames, 80). Less than 25 ms is padded with silence."""
    if len(waveform) < _WINDOW_SAMPLES:
        waveform = torch.nn.functional.pad(waveform, (0, _WINDOW_SAMPLES - len(waveform)))
    bands: torch.Tensor = kaldi.fbank(waveform[None], num_mel_bins=MEL_BANDS, sample_frequency=16_000, dither=0.0)
    return bands


def frame_count(samples: int) -> int:
    """Returns the number of frames of `mel_bands`. A frame depends on its own 25 ms alone, wherever it lies."""
    return 1 + (samples - _WINDOW_SAMPLES) // FRAME_SAMPLES


def frame_centres(count: int) -> torch.Tensor:
    """Returns the middle of each frame, in seconds from the beginning of the window."""
    return _FRAME_CENTRE_SECONDS + FRAME_SECONDS * torch.arange(count)


def fit_voice_frames(bands: torch.Tensor, length: int) -> torch.Tensor:
    """Returns a voice's frames with their mean subtracted, cut or repeated to `length` (at least SHORTEST_FRAMES)."""
    length = max(length, SHORTEST_FRAMES)
    centred = bands - bands.mean(dim=0, keepdim=True)
    if len(centred) < length:
        centred = centred.repeat(-(-length // len(centred)), 1)
    return centred[:length]
