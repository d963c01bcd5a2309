"""Study files: a table or figure of a paper each."""
