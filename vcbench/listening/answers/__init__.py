"""Collecting and reading what listeners answered."""
