"""A real API server for tests, and the parts of a cluster that are not there."""
