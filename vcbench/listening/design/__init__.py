"""Build the package of a listening test from a run."""
