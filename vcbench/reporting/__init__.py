"""Leaderboards and the report of a run."""
