"""Analysis of a listening test's answers."""
