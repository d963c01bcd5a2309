"""Blinded listening tests: from a run to a package (design), to what listeners answered (answers), to what it says (analysis)."""
