"""A real API server for tests, and stand-ins for the other parts of a cluster."""
