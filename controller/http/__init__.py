"""HTTP: what both roles answer on their API port; nothing here decides anything."""
