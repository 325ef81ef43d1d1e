"""What the paths of the API may answer: with which status, what that means there, and what the body is."""
