"""Runs a cluster with WhisperJob in it until Ctrl-C and leaves nothing behind: `make cluster`."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable

from cluster.harness import Cluster, NoClusterError, Parts
from cluster.images import ImagesError
from cluster.installation import Installation
from cluster.paths import CACHE, REPOSITORY

NAMESPACE = "whisperjob"
ENVIRONMENT = CACHE / "env"
"""Another terminal reads this file, which exists while the cluster runs."""


def say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    """Returns 1, after a sentence, where there can be no cluster. PORT (8080) is the API's port on 127.0.0.1."""
    port = int(os.environ.get("PORT") or 8080)
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # SIGINT too: in a shell's background it is ignored
        signal.signal(sign, interrupt)
    try:
        with_cluster(lambda cluster: serve(cluster, port))
    except KeyboardInterrupt:
        say("\nThe cluster is gone.")
    except (NoClusterError, ImagesError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{shlex.join(map(str, error.cmd))} failed:\n{error.stderr}", file=sys.stderr)
        return 1
    return 0


def with_cluster(use: Callable[[Cluster], None]) -> None:
    """Removes the cluster's logs after Ctrl-C; otherwise they stay."""
    cluster = Cluster(Parts(say))
    interrupted = False
    try:
        say("starting the cluster")
        cluster.start()
        use(cluster)
    except KeyboardInterrupt:
        interrupted = True
        raise
    finally:
        ENVIRONMENT.unlink(missing_ok=True)
        cluster.stop()
        if interrupted:
            cluster.remove_logs()


def serve(cluster: Cluster, port: int) -> None:
    installation = Installation(cluster, NAMESPACE)
    say("installing the chart")
    installation.install()
    cluster.kubectl("config", "set-context", "--current", f"--namespace={NAMESPACE}")
    programs = dict.fromkeys(str(cluster.binaries[name].parent) for name in ("kubectl", "helm"))
    settings = {"KUBECONFIG": cluster.kubeconfig, "URL": installation.api_url(port), "KEY": installation.api_key()}
    exports = [f"export {name}={shlex.quote(str(value))}" for name, value in settings.items()]
    ENVIRONMENT.touch(0o600)
    ENVIRONMENT.write_text("\n".join([*exports, f"export PATH={shlex.quote(':'.join(programs))}:$PATH", ""]))
    say(f"""
The cluster runs. In another terminal, here:

  . {ENVIRONMENT.relative_to(REPOSITORY)}
  kubectl get wj -w
  curl -sf $URL/whisper_optimize -H "X-API-Key: $KEY" -F file=@talk.mp4

{chr(10).join(f"{name}={value}" for name, value in settings.items())}

Images:
{cluster.parts.image_sizes()}
Logs of its parts: {cluster.logs}
Ctrl-C ends it.""")
    cluster.wait()
    raise NoClusterError(f"A part of the cluster ended, see {cluster.logs}")


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
