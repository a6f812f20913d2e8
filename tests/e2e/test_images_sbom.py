"""The list of what is in an image: every package of its lock with every hash, and what the image itself says it has."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.kubernetes.paths import REPOSITORY

IMAGES = ("api", "operator", "optimizer", "diarizer")
DPKG = "ffmpeg\\t7:5.1.9-0+deb12u1\\tamd64\\nlibc6\\t2.36-9+deb12u13\\tamd64\\n"


def components(folder: Path, image: str) -> dict[str, Any]:
    found = json.loads((folder / f"{image}.cdx.json").read_text())["components"]
    return {component["purl"]: component for component in found}


def make_sbom(folder: Path, docker: str) -> str:
    subprocess.run(["deploy/local/setup.sh", "sbom"], cwd=REPOSITORY, check=True, capture_output=True, timeout=280)
    python = REPOSITORY / ".cache" / "sbom" / "venv" / "bin" / "python"
    done = subprocess.run(
        [python, REPOSITORY / "images" / "sbom.py", folder],
        env={**os.environ, "DOCKER": docker},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The lists of images that a docker has: a program in its place says what dpkg says."""
    folder = tmp_path_factory.mktemp("sbom")
    docker = folder / "docker"
    docker.write_text(f"#!/bin/sh\nprintf '{DPKG}'\n")
    docker.chmod(0o755)
    make_sbom(folder, str(docker))
    return folder


@pytest.mark.parametrize("image", IMAGES)
def test_every_package_of_the_lock_is_there_with_its_hashes(folder: Path, image: str) -> None:
    lock = (REPOSITORY / "requirements" / f"{image}.txt").read_text()
    packages = re.findall(r"^(\S+?)==(\S+?)(?: ;.*)? \\\n((?:    --hash=\S+(?: \\)?\n)+)", lock, re.MULTILINE)
    assert packages
    assert len(packages) == len(re.findall(r"^\S+==", lock, re.MULTILINE))
    found = components(folder, image)
    for name, version, hashes in packages:
        listed = {entry["content"] for entry in found[f"pkg:pypi/{name.lower()}@{version}"]["hashes"]}
        assert listed == set(re.findall(r"sha256:([0-9a-f]{64})", hashes))


def test_the_debian_packages_are_those_of_the_image(folder: Path) -> None:
    found = components(folder, "optimizer")
    assert any(purl.startswith("pkg:deb/debian/ffmpeg@") and purl.endswith("arch=amd64") for purl in found)
    assert sum(purl.startswith("pkg:deb/") for purl in found) == 2


def test_without_docker_it_says_what_is_missing(tmp_path: Path) -> None:
    output = make_sbom(tmp_path, str(tmp_path / "no-docker"))
    assert output.count("its Debian packages are not listed") == len(IMAGES)
    assert not any(purl.startswith("pkg:deb/") for purl in components(tmp_path, "api"))
