"""The settings that the API has in a cluster alone; `ApiSettings` and `StoreSettings` are the others it reads."""

from pathlib import Path

from pydantic import Field

from whisperjob.model.settings import Duration, Settings


class ClusterApiSettings(Settings):
    """The API in a cluster."""

    namespace: str = Field(
        min_length=1, description="Namespace of the WhisperJobs that it serves. The chart sets the release's."
    )
    kubeconfig: Path | None = Field(default=None, description="Kubeconfig to use; only outside a cluster.")
    host: str = Field(default="0.0.0.0", description="Address to listen on.")  # noqa: S104 - a pod's own network
    port: int = Field(default=8080, ge=1, le=65_535, description="Port.")
    diarizes: bool = Field(default=False, description="Whether there is a diarizer. The operator knows its image.")
    metrics_port: int = Field(
        default=9090, ge=0, le=65_535, description="Port of /metrics, for Prometheus. 0: any free port."
    )
    shutdown_grace: Duration = Field(
        default="300s", validate_default=True, description="How long requests in flight may continue after SIGTERM."
    )
