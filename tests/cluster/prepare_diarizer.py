"""Builds the diarizer's image for CPUs, as a file: a program that runs inside the node's root file system.

    CLUSTER_CGROUP=… python -I prepare_diarizer.py BASE_TAG     mounted: /repo, /diarizer, /docker, /image (the result)

/diarizer is the Debian with PyTorch that `make diarizer` has built. The image leaves out what only people, compilers
and tests of PyTorch need. Standard library only.
"""

import os
import subprocess
import sys

sys.path.insert(0, "/repo/tests/cluster")
import prepare  # type: ignore[import-not-found,unused-ignore]  # found by the path above, when this runs

LEFT_OUT = (
    *("./usr/share/doc", "./usr/share/locale", "./usr/share/man", "./usr/share/info"),
    *("./usr/lib/libtorch-test", "./usr/include", "./usr/lib/python3/dist-packages/torch/include"),
    *("./usr/lib/python3/dist-packages/pip", "./usr/lib/python3/dist-packages/hypothesis"),
    *("./var/cache/apt", "./var/lib/apt/lists", "./tmp/*", "*/__pycache__", "*.a"),
)


def main(base: str) -> None:
    docker = prepare.start_docker()
    if not prepare.works(*docker, "image", "inspect", base):
        excluded = [f"--exclude={pattern}" for pattern in LEFT_OUT]
        prepare.import_base(docker, "/diarizer", base, excluded)
    build = ["/repo/images/build", "--registry", prepare.REGISTRY, "--tag", prepare.TAGS[0]]
    subprocess.run(
        [*build, "--diarizer-base", base, "--network", "host", "diarizer"],
        env={**os.environ, "DOCKER": " ".join(docker)},
        check=True,
    )
    tags = subprocess.run(
        [*docker, "images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={prepare.DIARIZER_BASES}*"],
        check=True,
        capture_output=True,
        text=True,
    )
    if older := set(tags.stdout.split()) - {base}:
        subprocess.run([*docker, "image", "rm", *older], check=True)
    subprocess.run([*docker, "image", "prune", "-f"], check=True)
    subprocess.run([*docker, "save", "-o", "/image/image.tar", prepare.DIARIZER], check=True)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(map(str, error.cmd))} failed")  # its own output says why
