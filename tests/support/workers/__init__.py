"""Workers for tests, and what is around them."""
