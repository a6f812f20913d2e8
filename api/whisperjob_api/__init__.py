"""The HTTP API: stores uploads, creates records, answers from a copy of them. It never writes a status."""
