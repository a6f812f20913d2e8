"""The object store: its port, an implementation for S3 and one for a folder."""
