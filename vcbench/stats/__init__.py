"""Intervals, paired comparisons and ranks of scores."""
