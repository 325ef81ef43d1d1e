"""``swarmgate explain``: asks a proxy's API what becomes of a request, or works it out for a stack file."""

from collections.abc import Iterator, Sequence

import httpx
from pydantic import ValidationError
from rich.console import Group, RenderableType
from rich.markup import escape

from controller.commands.common import unanswered
from controller.commands.tables import folding_table
from controller.dry_run import by_itself
from controller.errors import PermanentError
from controller.http.explaining import PATH
from models.explaining.asked import Asked
from models.explaining.explain import explain
from models.explaining.explanation import Answer, Explanation, StepKind
from models.settings import ProxySettings
from models.snapshot import SwarmService

_UNKNOWN = "servers, mounted secrets and templates are not known of a stack file"
_BAD_REQUEST = 400
_COLOURS = {
    Answer.SERVICE: "green",
    Answer.CONNECTION: "green",
    Answer.PROXY: "yellow",
    Answer.UNKNOWN: "yellow",
    Answer.NOBODY: "red",
}
_STEP_COLOURS = {StepKind.REFUSED: "red", StepKind.REDIRECTED: "yellow", StepKind.ASKED: "yellow"}


def ask(
    proxy: str, url: str, *, method: str, headers: Sequence[str], source: str | None, timeout: float = 10.0
) -> Explanation:
    """Ask the API at ``proxy`` about a request; ``timeout`` is in seconds.

    Raises:
        TemporaryError: it does not answer as a proxy does.
        PermanentError: no request can be like that.
    """
    parameters = {"url": url, "method": method, "header": list(headers), **({"from": source} if source else {})}
    try:
        answer = httpx.get(f"{proxy.rstrip('/')}{PATH}", params=parameters, timeout=timeout)
        if answer.status_code == _BAD_REQUEST:
            raise PermanentError(str(answer.json()["detail"]))
        return Explanation.model_validate_json(answer.raise_for_status().content)
    except (httpx.HTTPError, httpx.InvalidURL, ValidationError, ValueError, KeyError) as error:
        told = "it answers otherwise than this version of swarmgate" if isinstance(error, ValidationError) else error
        raise unanswered(proxy, told, "ask inside of a proxy's container, or give a --stack-file") from error


def in_stack(services: tuple[SwarmService, ...], settings: ProxySettings, asked: Asked) -> Explanation:
    """Explain a request as a proxy would that runs these services and no others, all of them in good order."""
    found = explain(by_itself(services, settings), settings, asked)
    return found.model_copy(update={"servers": (), "doubts": (*found.doubts, _UNKNOWN)})


def is_answered(found: Explanation) -> bool:
    """Return whether a service answers, be it that the proxy says so in its place."""
    return found.service is not None


def report(found: Explanation) -> RenderableType:
    """Return an explanation to be read by people."""
    return Group(*_headline(found), *_problems(found), *_steps(found), *_rivals(found), *_doubts(found))


def _headline(found: Explanation) -> Iterator[str]:
    asked = found.request
    client = f" from {asked.source}" if asked.source else ""
    yield escape(f"{asked.method} {asked.scheme}://{asked.host}{asked.path}{client}, port {asked.port}")
    status = f" [bold]{found.status}[/bold]" if found.status else ""
    where = f" {escape(found.location)}" if found.location else ""
    yield f"[{_COLOURS[found.answer]}]{escape(found.message)}[/]{status}{where}"
    if found.backend:
        servers = f": {', '.join(found.servers)}" if found.servers else ""
        yield escape(f"  backend {found.backend}{servers}")
    for share in found.shares:
        yield escape(f"  {share.percent} % {share.service} ({share.backend})")


def _problems(found: Explanation) -> Iterator[str]:
    yield from (f"[red]Wrong with {escape(found.service or '')}:[/red] {escape(each)}" for each in found.problems)


def _steps(found: Explanation) -> Iterator[RenderableType]:
    if not found.steps:
        return
    table = folding_table("On the way", "What", "Asked for by", "Status")
    for step in found.steps:
        kind, colour = step.kind.value, _STEP_COLOURS.get(step.kind)
        shown = f"[{colour}]{kind}[/]" if colour else kind
        table.add_row(shown, escape(step.message), escape(step.label), str(step.status or ""))
    yield table


def _rivals(found: Explanation) -> Iterator[RenderableType]:
    if not found.rivals:
        return
    table = folding_table("Came close", "Route", "Why not")
    for rival in found.rivals:
        table.add_row(escape(rival.service), escape(rival.route), escape(rival.message))
    yield table


def _doubts(found: Explanation) -> Iterator[str]:
    yield from (f"[yellow]Not known here:[/yellow] {escape(each)}" for each in found.doubts)
