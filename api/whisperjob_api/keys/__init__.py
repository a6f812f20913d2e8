"""API keys: their text, their records in a watched folder, what each may do, and what is logged of their use."""
