"""The settings that the API has in a cluster alone; `ApiSettings` and `StoreSettings` are the others it reads."""

from pathlib import Path

from pydantic import Field

from whisperjob.model.settings import Duration, Settings


class ClusterApiSettings(Settings):
    """The API in a cluster."""

    namespace: str = Field(min_length=1, description="Whose WhisperJobs it serves; the chart gives the release's.")
    kubeconfig: Path | None = Field(default=None, description="Only outside a cluster: the kubeconfig to use.")
    host: str = Field(default="0.0.0.0", description="Address to listen on.")  # noqa: S104 - a pod's own network
    port: int = Field(default=8080, ge=1, le=65_535, description="Port.")
    diarizes: bool = Field(default=False, description="Whether there is a diarizer; the operator has its image.")
    metrics_port: int = Field(default=9090, ge=0, le=65_535, description="/metrics, for Prometheus; 0: any free.")
    shutdown_grace: Duration = Field(
        default="300s", validate_default=True, description="How long requests in flight may go on after SIGTERM."
    )
