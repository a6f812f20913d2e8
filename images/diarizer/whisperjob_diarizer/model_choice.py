"""Which model the settings mean, and the sentence for people when it is not available.

It uses no network and imports no model.
"""

import os
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from whisperjob.model.errors import ModelUnavailableError

BUNDLED: Final = "bundled"
SEGMENTATION_FILE: Final = "segmentation-3.0.bin"
EMBEDDING_FILE: Final = "campplus.pt"
EMBEDDING_CODE: Final = "campplus_network.py"
EMBEDDING_ONNX: Final = "campplus.onnx"
"""Made of the two files before, for CPUs. Without it PyTorch computes the voice prints."""

_BUNDLED_FILES = (SEGMENTATION_FILE, EMBEDDING_FILE, EMBEDDING_CODE)

_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_HUB = "https://hf.co"
_NO_NETWORK = frozenset(
    {"LocalEntryNotFoundError", "OfflineModeIsEnabled", "ConnectionError", "ConnectError", "TimeoutException"}
)


@dataclass(frozen=True, slots=True)
class BundledModel:
    """The weights that are part of this installation."""

    folder: Path


@dataclass(frozen=True, slots=True)
class FolderModel:
    """A clone of a pipeline of the hub, read without network."""

    folder: Path


@dataclass(frozen=True, slots=True)
class HubModel:
    """A pipeline of the hub, fetched when it is not in the cache."""

    name: str
    token: str | None = field(repr=False)


ModelChoice = BundledModel | FolderModel | HubModel


def bundled_folder() -> Path:
    """Returns the folder of the bundled models, which the build fills (deploy/diarizer/models.py)."""
    return Path(sys.prefix) / "share" / "whisperjob-diarizer"


def choose_model(model: str, token: str | None, *, bundled: Path | None = None) -> ModelChoice:
    """Returns what `model` names: `bundled`, a folder, or a name on the hub. Raises ModelUnavailableError."""
    if model == BUNDLED:
        folder = bundled or bundled_folder()
        if missing := [name for name in _BUNDLED_FILES if not (folder / name).is_file()]:
            raise ModelUnavailableError(
                f"The bundled model is not part of this installation ({', '.join(missing)} missing): "
                "run `make diarizer`, or build the image again."
            )
        return BundledModel(folder)
    if model.startswith(("/", "./", "../", "~")):
        return _check_folder(Path(os.path.expanduser(model)))  # noqa: PTH111  pathlib's raises where there is no such user
    if not _HUB_NAME.fullmatch(model):
        raise ModelUnavailableError(
            f"{model[:100]!r} names no model: it is neither `{BUNDLED}`, nor owner/name on the model hub, "
            "nor an absolute path of a folder."
        )
    if not token:
        raise ModelUnavailableError(_explain_missing_token(model))
    return HubModel(model, token)


def _check_folder(path: Path) -> FolderModel:
    if not path.is_dir():
        raise ModelUnavailableError(f"There is no folder {path} with a model here, where the diarizer runs.")
    if not (path / "config.yaml").is_file():
        raise ModelUnavailableError(
            f"The folder {path} holds no pipeline: config.yaml is missing. Clone one from the model hub, whole."
        )
    return FolderModel(path)


def explain_hub_error(model: str, class_names: tuple[str, ...]) -> str:
    """Returns one sentence on why the hub gave no model, by the names of the error's classes, most derived first."""
    names = set(class_names)
    if "GatedRepoError" in names:
        return (
            f"The model hub refuses {model}: its terms are not accepted for this HF_TOKEN. "
            f"Accept them at {_HUB}/{model}, with the account the token belongs to."
        )
    if "RepositoryNotFoundError" in names:
        return f"The model hub knows no {model} for this HF_TOKEN: check the name, and that the token is valid."
    if names & _NO_NETWORK:
        return (
            f"The model {model} cannot be fetched: the model hub does not answer from here. Allow the diarizer to "
            f"reach it, or set DIARIZATION_MODEL to `{BUNDLED}` or to a folder with a clone."
        )
    if "HfHubHTTPError" in names:
        return f"The model hub did not give {model}: check HF_TOKEN, and accept the terms at {_HUB}/{model}."
    return f"The model {model} cannot be loaded ({class_names[0]}): it is no pipeline this diarizer understands."


def _explain_missing_token(model: str) -> str:
    return (
        f"The model {model} needs a token and HF_TOKEN is not set. Accept its terms at {_HUB}/{model}, make a token at "
        f"{_HUB}/settings/tokens and set HF_TOKEN; or set DIARIZATION_MODEL to `{BUNDLED}`, which needs none."
    )
