"""Tests of vcbench.listening."""
