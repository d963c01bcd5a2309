"""Networks that metrics load."""
