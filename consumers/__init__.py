"""Reading from the log."""
