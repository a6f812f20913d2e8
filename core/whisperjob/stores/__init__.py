"""The object store: its port, and an implementation for S3 and one for a folder."""
