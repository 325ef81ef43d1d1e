"""`explain`: a request's way through the proxy, by the tables that HAProxy looks it up in."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from models.explaining.arrival import Arrival, arrival_of
from models.explaining.asked import Asked
from models.explaining.explanation import Answer, AskedView, Explanation, Share
from models.explaining.names import taker_of
from models.explaining.rivals import Contest
from models.explaining.searching import Found, search, shares
from models.explaining.steps import BAD_REQUEST, UNAVAILABLE, steps_of
from models.explaining.words import condition
from models.proxy import Backend, Desired
from models.routing import Claim
from models.settings import ProxySettings
from models.traffic import SLOTS

_MOVED = 301


def explain(desired: Desired, settings: ProxySettings, asked: Asked) -> Explanation:
    """Return what becomes of a request under a desired state, and why."""
    arrival = arrival_of(asked, desired, settings)
    return _Explaining(desired, settings, arrival, Contest(desired, arrival)).explain()


@dataclass(frozen=True, slots=True)
class _Explaining:
    """One request on its way: the connection, what is done with all requests, the search, the backend."""

    desired: Desired
    settings: ProxySettings
    arrival: Arrival
    contest: Contest

    def explain(self) -> Explanation:
        """Go through what may answer, in HAProxy's order."""
        return self._by_connection() or self._by_proxy() or self._by_route()

    def _by_connection(self) -> Explanation | None:
        """Return who gets the connection as it is, if anybody does."""
        taker = taker_of(self.desired, self.arrival)
        if taker is None:
            return None
        backend = self.desired.backends_by_name.get(taker.backend or "")
        if backend is None:
            return self._told(Answer.NOBODY, f"the connection is refused: {taker.why}")
        message = f"service {backend.service} gets the connection as it is: {taker.why}"
        return self._at(Answer.CONNECTION, message, backend, route=taker.route)

    def _by_proxy(self) -> Explanation | None:
        """Return what the proxy answers whatever the routes are."""
        arrival = self.arrival
        if arrival.refused:
            return self._told(Answer.PROXY, f"the path is refused: {arrival.refused}", status=BAD_REQUEST)
        target = self.desired.redirects.get(arrival.host)
        if target is not None:
            location = f"{arrival.asked.scheme}://{target}{arrival.asked.target}"
            message = f"requests for {arrival.host} are sent on to {target} (com.df.redirectFromDomain)"
            return self._told(Answer.PROXY, message, status=_MOVED, location=location)
        if self._is_for_statistics():
            return self._told(Answer.PROXY, "it is the page of HAProxy's statistics (STATS_URI)")
        return None

    def _is_for_statistics(self) -> bool:
        settings = self.settings
        is_here = settings.stats_user and not settings.stats_frontend_port
        return bool(is_here) and self.arrival.asked.target.startswith(settings.stats_uri)

    def _by_route(self) -> Explanation:
        arrival, table = self.arrival, self.desired.routing
        found = search(table, arrival.host, arrival.path, arrival.facts)
        doubts = () if found.is_sure else ("a condition of a route that comes before can only be tested by HAProxy",)
        if found.name is None and self.desired.own_routes:
            services = ", ".join(own.service for own in self.desired.own_routes)
            words = f"routes of templates (com.df.templateFePath) come next, which only HAProxy can test: {services}"
            found, doubts = Found(table.default), (*doubts, words)
        if found.name is None:
            answer = Answer.UNKNOWN if doubts else Answer.NOBODY
            status = UNAVAILABLE
            return self._told(answer, "no service has a route for it", status=status, doubts=doubts, routed=True)
        return self._routed(found.name, doubts)

    def _routed(self, name: str, doubts: tuple[str, ...]) -> Explanation:
        parts = shares(self.desired.routing, name)
        backends = [*filter(None, map(self.desired.backends_by_name.get, parts or (name,)))]
        if not backends:
            return self._told(Answer.NOBODY, f"there is no backend {name}", status=UNAVAILABLE)
        backend = max(backends, key=lambda each: parts.get(each.name, 0))
        shared = tuple(self._shares(parts))
        if shared:
            doubts = (*doubts, f"the route is shared out; what follows is of service {backend.service}")
        claim = self._claim(backend)
        message = f"service {backend.service} answers" + (f": {why(claim)}" if claim else "")
        route = claim.route if claim else None
        return self._at(Answer.SERVICE, message, backend, route=route, claim=claim, shares=shared, doubts=doubts)

    def _shares(self, parts: Mapping[str, int]) -> Iterator[Share]:
        for name, slots in sorted(parts.items()):
            backend = self.desired.backends_by_name.get(name)
            if backend is not None:
                yield Share(service=backend.service, backend=name, percent=round(100 * slots / SLOTS))

    def _claim(self, backend: Backend) -> Claim | None:
        """Return the claim by which a backend has the request."""
        return next((each for each in self.contest.fitting if each.backend == backend.name), None)

    def _at(
        self,
        answer: Answer,
        message: str,
        backend: Backend,
        *,
        route: str | None,
        claim: Claim | None = None,
        shares: tuple[Share, ...] = (),
        doubts: tuple[str, ...] = (),
    ) -> Explanation:
        """Return the explanation of a request that comes to a backend."""
        steps = steps_of(backend, self.arrival)
        last = steps[-1] if steps else None
        if last is not None and last.status is not None:
            message = f"{message}; {last.message}"
        return Explanation(
            request=self._view(),
            answer=answer,
            message=message,
            service=backend.service,
            backend=backend.name,
            route=route,
            servers=tuple(f"{each.name} {each.address}:{each.port}" for each in backend.servers),
            shares=shares,
            status=last.status if last else None,
            location=last.location if last else None,
            steps=steps,
            rivals=self.contest.rivals(claim) if claim else (),
            problems=self._problems(backend.service),
            doubts=(*self._doubts(), *doubts),
        )

    def _problems(self, service: str) -> tuple[str, ...]:
        """Return what conditions say is wrong with a service."""
        facts = self.desired.conditions.get(service, ())
        return tuple(f"{fact.reason.value}: {fact.message}" for fact in facts if fact.status == "False")

    def _told(
        self,
        answer: Answer,
        message: str,
        *,
        status: int | None = None,
        location: str | None = None,
        doubts: tuple[str, ...] = (),
        routed: bool = False,
    ) -> Explanation:
        """Return the explanation of a request that comes to no backend."""
        return Explanation(
            request=self._view(),
            answer=answer,
            message=message,
            status=status,
            location=location,
            rivals=self.contest.rivals(None) if routed else (),
            doubts=(*self._doubts(), *doubts),
        )

    def _doubts(self) -> tuple[str, ...]:
        lines = self.settings.extra_lines
        words = ("lines of EXTRA_FRONTEND are not taken into account",) if lines.frontend or lines.rules else ()
        return (*self.arrival.doubts, *words)

    def _view(self) -> AskedView:
        arrival = self.arrival
        return AskedView(
            method=arrival.asked.method,
            scheme=arrival.asked.scheme,
            host=arrival.host,
            path=arrival.facts.path.decode(errors="replace"),
            port=arrival.facts.port,
            source=str(arrival.client) if arrival.client else None,
        )


def why(claim: Claim) -> str:
    """Say by what a claim is for a request."""
    if claim.is_default:
        return "nobody else has a route for it (com.df.isDefaultBackend)"
    words = [claim.route.removesuffix(" (with conditions)")]
    if claim.predicates:
        words.append(f"if {' and '.join(map(condition, claim.predicates))}")
    if claim.priority:
        words.append(f"with priority {claim.priority}")
    return " ".join(words)
