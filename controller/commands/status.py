"""``swarmgate status``: asks a proxy's API what became of the services, and shows it.

What is shown follows from the answers alone; nothing is worked out here that the proxy has not said.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from rich.console import Group, RenderableType
from rich.markup import escape

from controller.commands.common import unanswered
from controller.commands.tables import folding_table
from controller.spans import span
from models.certificates import SOON

View = Mapping[str, Any]
"""A service or a certificate as the API shows it."""

_COLOURS = {"True": "green", "False": "red", "Unknown": "yellow"}
_PROGRAMMED = "Programmed"


class UnknownServiceError(Exception):
    """No such service asks to be published; the message names those that are spelled alike."""


@dataclass(frozen=True, slots=True)
class Status:
    """What a proxy says of itself, of services and of certificates."""

    readiness: View
    services: Sequence[View]
    certificates: Sequence[View]

    @property
    def is_good(self) -> bool:
        """Whether the proxy is ready, and nothing is wrong with any of the services."""
        return bool(self.readiness["ready"]) and not any(_wrong(service) for service in self.services)

    def of(self, name: str) -> "Status":
        """Return the same with one service alone.

        Raises:
            UnknownServiceError: there is none of that name.
        """
        names = [service["name"] for service in self.services]
        if name not in names:
            near = difflib.get_close_matches(name, names, n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UnknownServiceError(f"no service {name} asks to be published here{hint}")
        return Status(self.readiness, [each for each in self.services if each["name"] == name], ())


def ask(url: str, *, timeout: float = 10.0) -> Status:
    """Ask the proxy's API at ``url``; ``timeout`` is in seconds, for each answer.

    Raises:
        TemporaryError: it does not answer as a proxy does.
    """
    try:
        with httpx.Client(base_url=url, timeout=timeout) as client:
            readiness = client.get("/readyz").json()
            services, certificates = (
                client.get(path).raise_for_status() for path in ("/v1/services", "/v1/certificates")
            )
            return Status(readiness, services.json(), certificates.json())
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise unanswered(url, error, "or ask inside of a proxy's container") from error


def ask_for(url: str, service: str | None) -> Status:
    """Ask for one service, or (None) for all.

    Raises:
        TemporaryError: no proxy answers.
        UnknownServiceError: there is none of that name.
    """
    found = ask(url)
    return found.of(service) if service else found


def overview(status: Status, now: datetime) -> RenderableType:
    """Return all services in a table, one a line, with what is wrong; then what needs attention of certificates."""
    table = folding_table("Service", "State", "Since", "Routes", "Servers", "What to know")
    for service in status.services:
        worst = _worst(service["conditions"])
        table.add_row(
            escape(service["name"]),
            _coloured(worst["status"], worst["reason"]),
            _since(worst.get("last_transition"), now),
            escape("\n".join(service["routes"])),
            str(sum(map(len, service["backends"].values()))),
            escape(_remark(service)),
        )
    return Group(_headline(status), table, *_expiring(status.certificates))


def details(status: Status, now: datetime) -> RenderableType:
    """Return all that is known of the one service that there is."""
    (service,) = status.services
    conditions = folding_table("Condition", "Status", "Reason", "Since", "Message")
    for each in service["conditions"]:
        message, since = each.get("message", ""), _since(each.get("last_transition"), now)
        conditions.add_row(
            each["type"], _coloured(each["status"], each["status"]), each["reason"], since, escape(message)
        )
    servers = folding_table("Backend", "Server")
    for backend, known in service["backends"].items():
        servers.add_row(escape(backend), escape("\n".join(known)) or "none")
    notices = [f"[yellow]{each['reason']}[/yellow] {escape(each['message'])}" for each in service["notices"]]
    routes = [f"  {escape(route)}" for route in service["routes"]] or ["  none"]
    return Group(f"[bold]{escape(service['name'])}[/bold]", conditions, "Routes", *routes, servers, *notices)


def as_json(status: Status, *, alone: bool) -> Any:  # noqa: ANN401 - JSON
    """Return the answers as they came; of a service that was asked for ``alone``, that one."""
    if alone:
        return status.services[0]
    return {"ready": status.readiness, "services": status.services, "certificates": status.certificates}


def _headline(status: Status) -> str:
    ready = "[green]ready[/green]" if status.readiness["ready"] else "[red]not ready[/red]"
    wrong = sum(map(_wrong, status.services))
    told = f", [red]{wrong} with something wrong[/red]" if wrong else ""
    message = status.readiness.get("message")
    return f"Proxy {ready}; {len(status.services)} services{told}" + (f"\n{escape(message)}" if message else "")


def _expiring(certificates: Iterable[View]) -> Iterable[str]:
    for each in certificates:
        if each.get("problem"):
            yield f"[red]certificate {escape(each['certificate'])}: {escape(each['problem'])}[/red]"
        elif each["days_left"] < SOON:
            yield f"[yellow]certificate {escape(each['certificate'])}: {each['days_left']} days left[/yellow]"


def _wrong(service: View) -> bool:
    return any(each["status"] == "False" and each["reason"] != "SwitchedOff" for each in service["conditions"])


def _worst(conditions: Sequence[View]) -> View:
    """Return the condition to be shown where there is room for one: the first that is false, else the last one."""
    return min(conditions, key=lambda each: (each["status"] != "False", each["type"] != _PROGRAMMED))


def _remark(service: View) -> str:
    """Return what is wrong or, if nothing is, what to know all the same."""
    wrong = [each["message"] for each in service["conditions"] if each["status"] != "True" and each.get("message")]
    return "\n".join(wrong or [each["message"] for each in service["notices"]])


def _coloured(status: str, text: str) -> str:
    return f"[{_COLOURS[status]}]{escape(text)}[/]"


def _since(moment: str | None, now: datetime) -> str:
    """Return how long ago something was."""
    return span((now - datetime.fromisoformat(moment).astimezone(UTC)).total_seconds()) if moment else ""
