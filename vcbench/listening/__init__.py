"""Blinded listening tests: build a package from a run (design), collect and read answers (answers), analyse them (analysis)."""
