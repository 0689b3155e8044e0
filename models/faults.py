"""What a log can do to those who use it, whichever log it is."""


class LogUnavailable(Exception):
    """The log cannot be read or written now; opening it again, later, may heal it."""


class LogRefused(Exception):
    """The log will not serve us until somebody changes something; the message says what."""
