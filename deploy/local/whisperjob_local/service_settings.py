"""The settings of one process: from the environment, overridden by the command line."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from pydantic import SecretStr, ValidationError

from whisperjob.model.settings import ApiSettings, EngineSettings, LocalSettings, StoreSettings, setting_at_fault
from whisperjob_api.keys.key_text import make_key
from whisperjob_local.startup import StartupError


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """The settings of every part; each group reads its own variables of the environment."""

    local: LocalSettings
    api: ApiSettings
    store: StoreSettings
    engine: EngineSettings

    def with_own_key(self) -> Self:
        """Returns these settings with a new key alone, for a service that only this program uses."""
        return replace(self, api=self.api.with_api_key(SecretStr(make_key().text)))


def make_settings(
    *, host: str | None = None, port: int | None = None, data_dir: Path | None = None, workers: int | None = None
) -> ServiceSettings:
    """Reads the settings from the environment; arguments that are not None override it. Raises StartupError."""
    arguments: dict[str, Any] = {"host": host, "port": port, "data_dir": data_dir, "workers": workers}
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        local = LocalSettings(**given)
        engine = EngineSettings(progress_interval=local.progress_interval)
        if engine.max_diarizations is None:  # each uses all cores, and memory that grows with the recording
            engine = engine.with_max_diarizations(1)
        return ServiceSettings(local, ApiSettings(), StoreSettings(), engine)
    except ValidationError as error:
        raise StartupError(f"{setting_at_fault(error)}.") from None
