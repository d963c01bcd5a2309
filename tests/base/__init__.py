"""Tests of vcbench.base."""
