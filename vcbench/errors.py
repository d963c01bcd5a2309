"""Errors that the command line prints without a traceback."""


class UserError(ValueError):
    """Bad input or settings. The message says what is wrong, what was received, what is allowed, and what to do."""


class ModelUnavailable(UserError):
    """A pretrained model is not on this machine. The message says which, and the command that gets it."""
