"""CAM++ on CPUs, by ONNX Runtime: PyTorch's numbers to five digits, in little more than half its time.

    python -m whisperjob_diarizer.onnx_campplus FOLDER

writes the network beside the weights that it is made of. This is done once, when the weights were fetched. The file
belongs to the installation, not to the model: a diarizer that does not find it uses PyTorch.
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from whisperjob.files import atomic_write
from whisperjob_diarizer.campplus import MEL_BANDS, load_campplus
from whisperjob_diarizer.model_choice import EMBEDDING_CODE, EMBEDDING_FILE, EMBEDDING_ONNX

_FRAMES = 500
_MAX_DIFFERENCE = 1e-3
"""Voice prints have values of 1 to 3. The largest difference that was seen is 4e-6."""


class OnnxCampPlus:
    """The network in ONNX Runtime, one for all threads; each call computes on the caller's thread."""

    def __init__(self, network: Path) -> None:
        """Loads the network from a file. Raises what ONNX Runtime raises for a damaged one."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # Both help with inputs of one shape, but voices have ten lengths.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])

    def embed(self, bands: torch.Tensor) -> npt.NDArray[np.float32]:
        """Computes voice prints: (batch, frames, 80), as `fit_voice_frames` returns them → (batch, dimension)."""
        prints: npt.NDArray[np.float32] = self._session.run(["prints"], {"bands": bands.numpy()})[0]
        return prints


def export(folder: Path) -> None:
    """Writes the network of a folder's weights as a file for ONNX Runtime.

    Raises RuntimeError if the two compute different prints, and what PyTorch raises if it cannot write the network.
    """
    model = load_campplus(folder / EMBEDDING_CODE, folder / EMBEDDING_FILE)
    with atomic_write(folder / EMBEDDING_ONNX) as unfinished, torch.no_grad():
        torch.onnx.export(
            model.network,
            (torch.zeros(2, _FRAMES, MEL_BANDS),),
            unfinished,
            dynamo=False,  # the newer exporter needs another package
            input_names=["bands"],
            output_names=["prints"],
            dynamic_axes={"bands": {0: "batch", 1: "frames"}, "prints": {0: "batch"}},
        )
        exported = OnnxCampPlus(unfinished)
        for frames in (50, 250, _FRAMES):
            bands = torch.randn(3, frames, MEL_BANDS, generator=torch.Generator().manual_seed(frames))
            difference = np.abs(exported.embed(bands) - model.embed(bands).numpy()).max()
            if not difference < _MAX_DIFFERENCE:
                raise RuntimeError(f"The network by ONNX Runtime differs by {difference} on {frames} frames.")


if __name__ == "__main__":
    export(Path(sys.argv[1]))
