"""Tests of vcbench.stats."""
