"""Sends chunks to a speech recogniser: Groq, or anything that has OpenAI's audio API."""
