"""WhisperJob's core: the model, the ports and the engine that every role shares."""

__version__ = "0.1.0"
