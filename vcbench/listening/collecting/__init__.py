"""Serves a listening test: hands out the page, assigns sheets to participants, and collects the answers."""
