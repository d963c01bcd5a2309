"""A system and a metric for vcbench."""
