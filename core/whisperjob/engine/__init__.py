"""The engine: turns what it observes into a decision and applies it. Knows neither kopf nor Kubernetes."""
