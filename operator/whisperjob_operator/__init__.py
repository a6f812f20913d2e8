"""The engine on Kubernetes: WhisperJob resources, batch/v1 Jobs and kopf behind the engine's ports."""
