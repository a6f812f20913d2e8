"""Brings a worker its inputs, and its results to the store, with nothing but the grants of its claim."""
