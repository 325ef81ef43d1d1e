"""`Patterns`: which claimed domain patterns a host matches, as the two tables that HAProxy looks up.

An exact domain leads to itself, the wildcards around it, longest first, and ``*``; and so does the ending of every
wildcard. So a new domain has one chain of its own, and a new wildcard is in the chains of all within.
"""

from collections.abc import Iterable, Mapping

from models.lookups import Place
from models.routing import ANY_DOMAIN, BETWEEN_PATTERNS
from models.tables import Gathered, Latest, Table, changed_keys


class Patterns:
    """The tables of one world after the other.

    ``domains`` has the chains by domain, ``wildcards`` by ending, the longest first.
    """

    def __init__(self) -> None:
        self._claimed: Table[str, bool] = Table()
        self._endings: dict[int, set[str]] = {}
        self._claimed_at: Gathered[Place, bool, str, bool] = Gathered(lambda claims: {claims[0].domain: True})
        self._wildcards: Table[str, str] = Table()
        self._in_order = Latest(_longest_first)
        self._nested: Gathered[str, bool, int, bool] = Gathered(lambda chain: {chain.count(BETWEEN_PATTERNS): True})
        self._chains: Table[str, str] = Table()
        self.domains: Table[str, str] = Table()

    def __call__(self, places: Mapping[Place, object]) -> "Patterns":
        """Take over the places of all claims."""
        claimed = self._claimed_at(places)
        changed = changed_keys(self._claimed, claimed) - {ANY_DOMAIN}
        self._claimed = claimed
        wildcards = {pattern for pattern in changed if _is_wildcard(pattern)}
        self._note_endings(wildcards)
        touched = changed | self._within(wildcards)
        chains = {pattern: self._chain(pattern) if pattern in claimed else None for pattern in touched}
        self._chains = self._chains.revised(chains)
        self._wildcards = self._wildcards.revised(
            {pattern[1:]: chain for pattern, chain in chains.items() if _is_wildcard(pattern)}
        )
        self.domains = self.domains.revised(
            {pattern: chain for pattern, chain in chains.items() if not _is_wildcard(pattern)}
        )
        return self

    @property
    def wildcards(self) -> Mapping[str, str]:
        """The chains by the ending of wildcards, longest first."""
        return self._in_order(self._wildcards)

    @property
    def nested_wildcards(self) -> int:
        """The largest number of wildcards that one host matches."""
        return max(self._nested(self._wildcards), default=0)

    def _note_endings(self, wildcards: Iterable[str]) -> None:
        for pattern in wildcards:
            ending = pattern[1:]
            same_length = self._endings.setdefault(len(ending), set())
            if pattern in self._claimed:
                same_length.add(ending)
            else:
                same_length.discard(ending)

    def _within(self, wildcards: Iterable[str]) -> set[str]:
        """Return the claimed patterns whose hosts all match one of some wildcards."""
        endings = tuple(pattern[1:] for pattern in wildcards)
        return {pattern for pattern in self._claimed if pattern.endswith(endings)} if endings else set()

    def _chain(self, pattern: str) -> str:
        """Return the patterns to try for hosts that match ``pattern``: itself, the wildcards around it, and none."""
        host = pattern.removeprefix("*")
        longest = len(host) - (1 if pattern.startswith("*") else 0)
        sizes = sorted((size for size in self._endings if size <= longest), reverse=True)
        wider = [f"*{host[-size:]}" for size in sizes if host[-size:] in self._endings[size]]
        return BETWEEN_PATTERNS.join((pattern, *wider, ANY_DOMAIN))


def _is_wildcard(pattern: str) -> bool:
    return pattern.startswith("*")


def _longest_first(chains: Mapping[str, str]) -> dict[str, str]:
    return dict(sorted(chains.items(), key=lambda entry: (-len(entry[0]), entry[0])))
