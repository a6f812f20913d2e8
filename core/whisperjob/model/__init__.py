"""Pure records, states and decisions. Imports nothing but the standard library and pydantic."""
