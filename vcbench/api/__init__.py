"""The contracts of systems and metrics."""
