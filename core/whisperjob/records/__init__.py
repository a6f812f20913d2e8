"""The job records: their port, a cache of them in memory, and the implementation for SQLite."""
