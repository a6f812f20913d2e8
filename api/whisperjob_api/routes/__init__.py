"""The routes: each parses a request, calls a service and converts its result."""
