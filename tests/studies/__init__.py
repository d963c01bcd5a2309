"""Tests of vcbench.studies."""
