"""Lists what is in each image, as CycloneDX JSON: its Python packages with their hashes, and its Debian packages.

    python images/sbom.py [--registry R] [--tag T] FOLDER

The Python packages are those of the lock that the image installs from, which is for all platforms. The Debian packages
are asked of the image itself, if docker has it; otherwise the list is without them, and the program says so. It runs in
the environment that `deploy/local/setup.sh sbom` makes.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

REPOSITORY = Path(__file__).resolve().parents[1]
LOCKS = {"api": "api", "operator": "operator", "optimizer": "optimizer", "diarizer": "diarizer"}
"""The lock in requirements/ of each image."""

_PACKAGE = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_DPKG = ["dpkg-query", "--show", "--showformat=${Package}\\t${Version}\\t${Architecture}\\n"]


def main() -> int:
    """Returns 1 if a list is not valid CycloneDX."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--registry", default="localhost/whisperjob")
    parser.add_argument("--tag", default=_version())
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for image, lock in LOCKS.items():
        python = read_lock(REPOSITORY / "requirements" / f"{lock}.txt")
        debian = read_dpkg(f"{arguments.registry}/{image}:{arguments.tag}")
        text = describe(image, arguments.tag, [*python, *(debian or [])])
        if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
            sys.stderr.write(f"{image}: the list is not valid: {error}\n")
            return 1
        (arguments.folder / f"{image}.cdx.json").write_text(text)
        others = (
            "docker has no such image, so its Debian packages are not listed"
            if debian is None
            else f"{len(debian)} Debian"
        )
        sys.stdout.write(f"{image}: {len(python)} Python packages; {others}\n")
    return 0


def _version() -> str:
    chart = (REPOSITORY / "charts" / "whisperjob" / "Chart.yaml").read_text()
    found = re.search(r'^appVersion: *"?([^"\n]+)', chart, re.MULTILINE)
    return found[1] if found else "latest"


def read_lock(lock: Path) -> list[Component]:
    """Returns the packages of a lock, with the hashes of all files that may be installed."""
    components: list[Component] = []
    for line in lock.read_text().splitlines():
        if found := _PACKAGE.match(line):
            name, version = found[1], found[2]
            url = PackageURL("pypi", name=name, version=version)
            components.append(Component(name=name, version=version, purl=url, bom_ref=str(url)))
        for digest in _HASH.findall(line):
            components[-1].hashes.add(HashType(alg=HashAlgorithm.SHA_256, content=digest))
    return components


def read_dpkg(image: str) -> list[Component] | None:
    """Returns the Debian packages of an image; None if docker has no such image, or does not run."""
    docker = shlex.split(os.environ.get("DOCKER", "docker"))
    command = [
        *docker,
        "run",
        "--rm",
        "--pull",
        "never",
        "--network",
        "none",
        "--entrypoint",
        _DPKG[0],
        image,
        *_DPKG[1:],
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  arguments as a list
    except (OSError, subprocess.CalledProcessError):
        return None
    components = []
    for line in done.stdout.splitlines():
        name, version, architecture = line.split("\t")
        url = PackageURL("deb", "debian", name, version, {"arch": architecture})
        components.append(Component(name=name, version=version, purl=url, bom_ref=str(url)))
    return components


def describe(image: str, version: str, components: list[Component]) -> str:
    """Returns the list as CycloneDX JSON."""
    bom = Bom(components=components)
    bom.metadata.component = Component(name=f"whisperjob-{image}", version=version, type=ComponentType.CONTAINER)
    bom.register_dependency(bom.metadata.component, components)
    with warnings.catch_warnings(action="ignore"):
        return JsonV1Dot6(bom).output_as_string(indent=1)


if __name__ == "__main__":
    sys.exit(main())
