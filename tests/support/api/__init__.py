"""The API served for tests, and raw requests to it."""
