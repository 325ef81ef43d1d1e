"""The small commands: what each asks for, and how it shows the answer on a terminal or as JSON."""
