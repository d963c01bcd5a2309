"""Tests of vcbench.cli.app."""
