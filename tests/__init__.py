"""Tests of vcbench, in the same tree as the code."""
