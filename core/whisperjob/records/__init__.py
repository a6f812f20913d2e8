"""The job records: their port, an in-memory cache of them, and the SQLite implementation."""
