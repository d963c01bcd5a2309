"""Study files: each reproduces a table or figure of a paper."""
