"""vcbench: a benchmark of voice conversion (VC) systems."""

__version__ = "0.1.0"
