"""Training of neural systems; it knows nothing of runs."""
