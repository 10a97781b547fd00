"""One module for each command; each holds a `command`, imported when it is asked for."""
