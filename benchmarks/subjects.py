"""The subjects of measurement, in the order in which they run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks import (
    authentication,
    burst,
    cold_start,
    control_plane,
    decoding,
    isolation,
    latency,
    lost_requests,
    many_proxies,
    memory,
    steady_changes,
    swarm,
    throughput,
)
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
    "cold-start": Subject("From nothing to ready", cold_start.run),
    "burst": Subject("Many services created at once", burst.run),
    "isolation": Subject("Some services that HAProxy refuses", isolation.run),
    "steady-changes": Subject("A Swarm that never rests", steady_changes.run),
    "swarm": Subject("From a change in a real Swarm to the first request", swarm.run),
    "lost-requests": Subject("What is lost while everything changes", lost_requests.run),
    "many-proxies": Subject("Many proxies of one listener", many_proxies.run),
    "memory": Subject("What memory it takes", memory.run),
}
