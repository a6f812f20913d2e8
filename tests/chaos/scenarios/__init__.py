"""The kinds of trouble, one module each."""
