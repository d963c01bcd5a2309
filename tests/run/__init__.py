"""Tests of vcbench.run.run."""
