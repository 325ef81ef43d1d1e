"""Whose fault it is that HAProxy refuses a configuration: by the lines and sections that it names, or by asking it.

It is a service's, or that of whoever set the proxy's variables.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import chain

from controller.errors import ConfigRejectedError, LoadRefusedError, StartFailedError, SwarmgateError
from controller.haproxy.validate import plain_words, rejected_lines, rejected_sections
from controller.suspects import Group, Suspects, unread
from render.files import Rendered
from render.origins import variable_of

Check = Callable[[Rendered], Awaitable[None]]
"""Asks HAProxy about a configuration; raises `ConfigRejectedError` if it would not load it."""
Objection = Callable[[frozenset[str]], Awaitable[ConfigRejectedError | None]]
"""Asks HAProxy about the configuration without some services; None if it would load that."""
MANY, PARTS = 500, 4
"""So many groups are asked about in so many parts."""


def named_by_haproxy(error: ConfigRejectedError, rendered: Rendered) -> dict[str, str]:
    """Return HAProxy's words about services by their names; empty if it names nothing that is theirs alone."""
    found = _owners(rejected_lines(error.output), rendered)
    return found or _owners(rejected_sections(error.output, rendered.config), rendered)


def _owners(words_by_line: Mapping[int, str], rendered: Rendered) -> dict[str, str]:
    """Return the first words about each service: what follows them is often a consequence."""
    found: dict[str, str] = {}
    for line, words in words_by_line.items():
        for service in rendered.owners.get(line, ()):
            found.setdefault(service, words)
    return found


async def blamed(
    error: ConfigRejectedError, rendered: Rendered, changed: Sequence[str], check: Check, objection: Objection
) -> dict[str, str]:
    """Find the services whose lines HAProxy refuses, with its words; none if it does not help to leave out any.

    Those that it names need not be all: it reads no further than its first serious complaint. So it is asked about what
    it has not read, of those that have ``changed`` first, since it has taken what it runs. What it finds out only after
    reading all is left to the next time, when those are out of the way that it names.

    Without a name, all are asked about. If each is good by itself, one of them is looked for that is refused beside
    others, by leaving some out (``objection``). Nobody is asked about if HAProxy had found it all good.
    """
    inquiry = Inquiry(Suspects(rendered), check)
    inquiry.found |= named_by_haproxy(error, rendered)
    if isinstance(error, LoadRefusedError):
        return inquiry.found
    suspects = _unread(error, rendered) if inquiry.found else frozenset(chain.from_iterable(rendered.owners.values()))
    await inquiry.about([name for name in changed if name in suspects])
    if inquiry.found and inquiry.found.keys() <= set(changed):
        return inquiry.found
    others = sorted(suspects.difference(changed))
    await inquiry.about(others)
    found = None if inquiry.found else await found_by_halving(error, (*others, *changed), objection)
    return dict((found,)) if found else inquiry.found


@dataclass(frozen=True, slots=True)
class _Refusal:
    """HAProxy's refusal of some services alone: those that it names with its words, and those that it has not read.

    It often reads no further than the first line that it refuses.
    """

    error: ConfigRejectedError
    named: Mapping[str, str]
    unread: AbstractSet[str]


@dataclass(slots=True)
class Inquiry:
    """Asks HAProxy about services alone, all at once and then, where it names nobody, about one half and the other.

    Without names, a bad one among n costs two questions at most each time n doubles; all good ones cost one together.
    Many are asked about in some parts: a question costs as much as it is long, and several are answered at once.
    ``found`` are the bad ones with HAProxy's words.

    Attributes:
        refusal: what HAProxy said first when it refused something.
        accepted: groups that it has read to the end without any complaint.
    """

    suspects: Suspects
    check: Check
    found: dict[str, str] = field(default_factory=dict)
    refusal: ConfigRejectedError | None = None
    accepted: set[Group] = field(default_factory=set)
    _nobody: bool | None = None

    async def about(self, services: Sequence[str]) -> None:
        """Find the bad ones among services, beside those that are found."""
        groups = self.suspects.groups(name for name in services if name not in self.found)
        await self.about_groups(list(groups.values()))

    async def about_groups(self, groups: Sequence[Group]) -> None:
        """Find the bad ones among groups."""
        parts = PARTS if len(groups) >= MANY else 1
        await asyncio.gather(*(self._ask(groups[part::parts]) for part in range(parts)))

    async def _ask(self, groups: Sequence[Group]) -> None:
        if refusal := await self._refusal(groups):
            await self._follow(groups, refusal)

    async def _follow(self, groups: Sequence[Group], refusal: _Refusal) -> None:
        """Find the bad ones among groups that are refused together: those that are named, and then what is behind them.

        Where nobody is named, halves are asked about.
        """
        while self._take(groups, refusal):
            groups = self._left(groups, refusal.unread)
            if (further := await self._refusal(groups)) is None:
                return
            refusal = further
        if not await self._is_nobodys():
            await self._divide(groups, refusal)

    def _take(self, groups: Sequence[Group], refusal: _Refusal) -> bool:
        """Take in those that are named, with all of their groups; return whether there are any news."""
        known = len(self.found)
        self.found |= refusal.named
        for group in groups:
            if (words := refusal.named.get(group[0])) is not None:
                self.found |= dict.fromkeys(group, words)
        return len(self.found) > known

    def _left(self, groups: Sequence[Group], among: AbstractSet[str]) -> list[Group]:
        """Return the groups that are not bad as far as is known, of those of some services."""
        return [group for group in groups if group[0] in among and group[0] not in self.found]

    async def _divide(self, groups: Sequence[Group], refusal: _Refusal) -> None:
        """Find the bad ones among groups that are refused together without a name."""
        if len(groups) == 1:
            self.found |= dict.fromkeys(groups[0], plain_words(refusal.error.output))
            return
        one, other = groups[: len(groups) // 2], groups[len(groups) // 2 :]
        if known := await self._refusal(one):
            await asyncio.gather(self._follow(one, known), self._ask(other))
        else:
            await self._divide(other, refusal)

    async def _is_nobodys(self) -> bool:
        """Return whether HAProxy refuses even what is for all."""
        if self._nobody is None:
            self._nobody = await _objection(self.check, self.suspects.alone(())) is not None
        return self._nobody

    async def _refusal(self, groups: Sequence[Group]) -> _Refusal | None:
        """Ask about groups, of each about one service."""
        if not groups:
            return None
        asked = self.suspects.alone(group[0] for group in groups)
        error = await _objection(self.check, asked)
        if error is None:
            self.accepted.update(groups)
            return None
        self.refusal = self.refusal or error
        return _Refusal(error, named_by_haproxy(error, asked), _unread(error, asked))


def _unread(error: ConfigRejectedError, rendered: Rendered) -> frozenset[str]:
    return unread(rendered, max(rejected_lines(error.output), default=0))


async def _objection(check: Check, rendered: Rendered) -> ConfigRejectedError | None:
    try:
        await check(rendered)
    except ConfigRejectedError as error:
        return error
    return None


async def found_by_halving(
    error: ConfigRejectedError, suspects: Sequence[str], objection: Objection
) -> tuple[str, str] | None:
    """Find one service that HAProxy refuses, with its words; None if leaving out all suspects does not help.

    It takes one question, and one more each time the number of suspects doubles.
    """
    if not suspects or await objection(frozenset(suspects)) is not None:
        return None
    good, bad, words = 0, len(suspects), error
    while bad - good > 1:
        middle = (good + bad) // 2
        answer = await objection(frozenset(suspects[middle:]))
        if answer is None:
            good = middle
        else:
            bad, words = middle, answer
    return suspects[bad - 1], plain_words(words.output)


def with_variables(error: SwarmgateError, rendered: Rendered) -> SwarmgateError:
    """Return the error with the variables named that the refused lines came from, or as it is if there are none."""
    if not isinstance(error, ConfigRejectedError | StartFailedError):
        return error
    found = (
        rendered.variables.get(line) or variable_of(rendered.config, line, words)
        for line, words in rejected_lines(error.output).items()
        if line not in rendered.owners
    )
    names = " and ".join(dict.fromkeys(filter(None, found)))
    return type(error)(f"{error}; see the variable {names}", output=error.output) if names else error
