"""Telling others about services and nodes, in the manner of DFSL but level-triggered.

Each target converges to the world: what it was told last is compared with what is true now, and the difference is sent
until it is accepted.
"""
