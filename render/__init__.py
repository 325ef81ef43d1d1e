"""What it looks like: from the desired state to the bytes HAProxy reads. No I/O."""
