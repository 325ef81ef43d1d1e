"""`swarmgate lint`: what would be said of the services of stack files, before anything is deployed."""
