"""Tests of vcbench.stages."""
