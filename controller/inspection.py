"""Having HAProxy look at many new lines in parts, side by side, before it is to load all of them.

A configuration that is long takes HAProxy long to check, with one processor, and it reads no further than the first
line that it refuses. In parts it takes all processors, and the bad ones are found in the same go. What was found good
in parts need not be checked as a whole: no part refers to another. If HAProxy does not load them together after all,
it goes on as before, and they are checked together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from controller.blame import MANY, Check, Inquiry
from controller.errors import ConfigRejectedError
from controller.suspects import Lines, Suspects
from render.files import Rendered


@dataclass(slots=True)
class Inspection:
    """Inspects configurations that are to be loaded one in place of the other, until one is good.

    Attributes:
        is_complete: all that is new in the last configuration was found good.
        refusal: what HAProxy said first of it, None if it was not asked or refused nothing.
    """

    check: Check
    is_complete: bool = False
    refusal: ConfigRejectedError | None = None
    _good: set[Lines] = field(default_factory=set)
    _is_trusted: bool = True

    async def bad(self, rendered: Rendered, changed: Sequence[str]) -> Mapping[str, str]:
        """Return HAProxy's words about bad services, of those that have ``changed``; none if these are few.

        Few are checked together with the rest of the configuration.
        """
        self.is_complete, self.refusal = False, None
        if not self._is_trusted or len(changed) < MANY:
            return {}
        suspects = Suspects(rendered)
        groups = suspects.groups(changed)
        if len(groups) < MANY:
            return {}
        inquiry = Inquiry(suspects, self.check)
        await inquiry.about_groups([group for lines, group in groups.items() if lines not in self._good])
        self.refusal = inquiry.refusal
        self._good.update(lines for lines, group in groups.items() if group in inquiry.accepted)
        self.is_complete = self._good.issuperset(groups)
        return inquiry.found

    def distrust(self) -> None:
        """Find nothing good any more, since what was is refused: it is to be checked as a whole from now on."""
        self._is_trusted = self.is_complete = False
