"""Collect and read listeners' answers."""
