"""The stages of a run: prepare, train, convert, score."""
