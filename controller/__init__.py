"""What happens: the only package with I/O, and in it `desired` and `plan` have none."""
