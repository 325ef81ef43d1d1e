"""The subjects of measurement, in the order in which they run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks import control_plane, decoding
from benchmarks.context import Context
from benchmarks.measurement import Finding


@dataclass(frozen=True, slots=True)
class Subject:
    """Something to be measured: its title, and what yields the findings."""

    title: str
    run: Callable[[Context], Iterator[Finding]]


SUBJECTS = {
    "control-plane": Subject("What the controller does per pass, by stage", control_plane.run),
    "decoding": Subject("What reading the Swarm takes", decoding.run),
}
