"""Tests of vcbench.api."""
