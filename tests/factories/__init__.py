"""Makers of rows for tests, by factory-boy."""
