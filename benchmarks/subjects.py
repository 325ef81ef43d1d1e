"""The subjects of measurement, in the order in which they run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks import authentication, control_plane, decoding, latency, throughput
from benchmarks.context import Context
from benchmarks.measurement import Finding


@dataclass(frozen=True, slots=True)
class Subject:
    """Something to be measured: its title, and what yields the findings."""

    title: str
    run: Callable[[Context], Iterator[Finding]]


SUBJECTS = {
    "throughput": Subject("How many requests a proxy can take, beside rivals", throughput.run),
    "latency": Subject("How long requests take", latency.run),
    "authentication": Subject("What a password costs", authentication.run),
    "control-plane": Subject("What the controller does per pass, by stage", control_plane.run),
    "decoding": Subject("What reading the Swarm takes", decoding.run),
}
