"""Who gets a connection as it is: by its port, or by the name that a TLS client asks for (`models.passthrough`)."""

from dataclasses import dataclass

from models.explaining.arrival import Arrival
from models.explaining.testing import holds
from models.passthrough import HANDOVER, PassthroughPort, PassthroughTable
from models.proxy import Desired


@dataclass(frozen=True, slots=True)
class Taker:
    """Who gets a connection; ``backend`` is None if nobody does."""

    backend: str | None
    route: str | None
    why: str


def taker_of(desired: Desired, arrival: Arrival) -> Taker | None:
    """Return who gets the connection that a request comes by; None if the HTTP frontend does."""
    port = arrival.facts.port
    for frontend in desired.tcp_frontends:
        if frontend.port == port:
            return Taker(frontend.backend, f"tcp:{port}", f"all of port {port} is its own (com.df.reqMode=tcp)")
    passing = next((each for each in desired.passthrough.ports if each.port == port), None)
    if passing is None:
        return None
    if not arrival.asked.secure:
        return Taker(None, None, f"port {port} is for TLS")
    found = _taker(desired.passthrough, passing, arrival)
    if found is None and not passing.shared:
        return Taker(None, None, f"no service has the name {arrival.host} on port {port}")
    return (
        None if found is None or found.startswith(HANDOVER) else Taker(found, f"sni:{port} {arrival.host}", "by name")
    )


def _taker(table: PassthroughTable, port: PassthroughPort, arrival: Arrival) -> str | None:
    key = f"{arrival.host}#{port.port}"
    endings = (key[start:] for start in range(len(key)))
    found = table.names.get(key) or next((table.endings[each] for each in endings if each in table.endings), None)
    tested = (rule.backend for rule in port.rules if holds(rule.test, arrival.facts))
    return found or next(tested, None) or table.rest.get(str(port.port))
