"""Labels: each declared once as a field of a family; parsing, errors, documentation and variables derive from it."""
