"""What things are: frozen data and the rules on it. No I/O, no clock, no randomness."""
