"""Tests of vcbench.bench.speed."""
