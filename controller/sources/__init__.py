"""Where worlds come from: the Docker API, a listener, or a stack file, each read whole into a `Snapshot`."""
