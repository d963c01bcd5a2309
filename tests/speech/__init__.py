"""Tests of vcbench.speech."""
