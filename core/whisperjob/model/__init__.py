"""Pure records and states. Imports nothing but the standard library and pydantic."""
