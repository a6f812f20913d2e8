"""Makers of pages and pictures of the documentation, and the commands in it."""
