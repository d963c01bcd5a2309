"""A run: its folder and its settings."""
