"""The command line: each command parses, calls one function, and prints. Heavy imports wait inside the commands."""

from cvs_med.cli.main import main

__all__ = ["main"]
