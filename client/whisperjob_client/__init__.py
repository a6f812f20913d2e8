"""The typed client of a WhisperJob server, its command line, and the transcript merge. Imports no server part."""
