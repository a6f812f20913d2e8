"""The routes: parse, call, translate."""
