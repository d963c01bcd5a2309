"""Tests of vcbench.training.loop."""
