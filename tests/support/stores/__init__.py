"""The object stores for tests."""
