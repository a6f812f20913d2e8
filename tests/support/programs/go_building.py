"""Programs that are built with Go where they are not installed; each is stored, named after what it is built from."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from support.programs.binaries import CACHE, NoBinaryError

BUILD_SECONDS = 5400.0


def kept_build(name: str, module: Path) -> Path:
    """Where the program is once it is built; `module` is a folder with go.mod and go.sum."""
    digest = hashlib.sha256(b"".join((module / part).read_bytes() for part in ("go.mod", "go.sum")))
    return CACHE / "built" / digest.hexdigest()[:16] / name


def go_built(
    name: str, module: Path, package: str, otherwise: str, say: Callable[[str], None], *, linking: str = ""
) -> Path:
    """Takes minutes, and a module proxy. `otherwise` is why it is to be built, `linking` options for Go's linker.

    Raises NoBinaryError.
    """
    target = kept_build(name, module)
    if target.is_file():
        return target
    go = shutil.which("go")
    if go is None:
        raise NoBinaryError(f"{otherwise}, and no Go to build {name} with")
    say(f"building {name}, once; this takes some minutes")
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"building-{name}-{os.getpid()}")
    nice = [found, "-n", "10"] if (found := shutil.which("nice")) else []
    try:
        subprocess.run(
            [*nice, go, "build", "-trimpath", "-ldflags", f"-s -w {linking}", "-o", str(unfinished), package],
            cwd=module,
            env={**os.environ, "CGO_ENABLED": "0"},
            check=True,
            capture_output=True,
            timeout=BUILD_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        raise NoBinaryError(f"building {name} failed: {error.stderr.decode()[-400:].strip()}") from error
    except subprocess.TimeoutExpired as error:
        raise NoBinaryError(f"building {name} took too long") from error
    unfinished.rename(target)
    return target
