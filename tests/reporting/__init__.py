"""Tests of vcbench.reporting."""
