"""The API as a server for tests, and raw requests to it."""
