"""Runs ffmpeg and ffprobe, which read untrusted bytes: confined, within a deadline, never longer than the worker."""
