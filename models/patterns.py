"""`Patterns`: which claimed domain patterns a host matches, as the two tables that HAProxy looks up.

An exact domain leads to itself, and the ending of every wildcard to this one and those around it, longest first. So a
new domain is one entry, and a new wildcard is in the chains of all wildcards within.
"""

from collections.abc import Iterable, Mapping

from models.lookups import Place
from models.routing import ANY_DOMAIN, BETWEEN_PATTERNS
from models.tables import Gathered, Latest, Table, changed_keys


class Patterns:
    """The tables of one world after the other.

    ``domains`` has the claimed domains, ``wildcards`` the chains by ending, the longest first.
    """

    def __init__(self) -> None:
        self._claimed: Table[str, bool] = Table()
        self._claimed_at: Gathered[Place, bool, str, bool] = Gathered(lambda claims: {claims[0].domain: True})
        self._chains: Table[str, str] = Table()
        self._in_order = Latest(_longest_first)
        self._nested: Gathered[str, bool, int, bool] = Gathered(lambda chain: {len(_patterns_of(chain)): True})
        self.domains: Table[str, str] = Table()

    def __call__(self, places: Mapping[Place, object]) -> "Patterns":
        """Take over the places of all claims."""
        claimed = self._claimed_at(places)
        changed = changed_keys(self._claimed, claimed) - {ANY_DOMAIN}
        self._claimed = claimed
        endings = {pattern[1:] for pattern in changed if _is_wildcard(pattern)}
        touched = endings | self._within(endings)
        self._chains = self._chains.revised({ending: self._chain(ending) for ending in touched})
        self.domains = self.domains.revised(
            {domain: domain if domain in claimed else None for domain in changed if not _is_wildcard(domain)}
        )
        return self

    @property
    def wildcards(self) -> Mapping[str, str]:
        """The chains by the ending of wildcards, longest first."""
        return self._in_order(self._chains)

    @property
    def nested_wildcards(self) -> int:
        """The largest number of wildcards that one host matches."""
        return max(self._nested(self._chains), default=0)

    def _within(self, endings: Iterable[str]) -> set[str]:
        """Return the endings of claimed wildcards whose hosts all match one of some wildcards."""
        outer = tuple(endings)
        return {ending for ending in self._chains if ending.endswith(outer)} if outer else set()

    def _chain(self, ending: str) -> str | None:
        """Return the claimed wildcards that match the hosts of one: itself and those around it."""
        wildcards = [f"*{ending[start:]}" for start in range(len(ending))]
        claimed = [each for each in wildcards if each in self._claimed]
        return BETWEEN_PATTERNS.join(claimed) if f"*{ending}" in self._claimed else None


def _is_wildcard(pattern: str) -> bool:
    return pattern.startswith("*")


def _patterns_of(chain: str) -> list[str]:
    return chain.split(BETWEEN_PATTERNS)


def _longest_first(chains: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(chains.items(), key=lambda entry: (-len(entry[0]), entry[0])))
