"""The HTTP API: stores uploads, creates records, answers from a copy of them. Never writes a status."""
