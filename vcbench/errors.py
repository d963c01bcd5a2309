"""Errors that are the user's to mend: the command line prints their message without a traceback."""


class UserError(ValueError):
    """What is wrong, what was received, what is allowed, and what to do."""
