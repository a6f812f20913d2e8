"""Chunks to a speech recogniser and back: Groq, or anything that speaks OpenAI's audio API."""
