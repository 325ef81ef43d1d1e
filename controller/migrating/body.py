"""`Body`: the options that labels give one thing, and which of them have been made use of. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Body:
    """Options by their names, each with the label that it came from and its value.

    ``left`` are labels that cannot be translated, each with the reason; ``needless`` those that need not be.
    """

    options: dict[str, tuple[str, str]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    left: dict[str, str] = field(default_factory=dict)
    needless: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)

    def value(self, option: str, default: str = "") -> str:
        """Return the value of an option."""
        return self.options[option][1].strip() if option in self.options else default

    def label(self, option: str) -> str:
        """Return the label that gives an option; empty if none does."""
        return self.options[option][0] if option in self.options else ""

    def labels(self, options: Iterable[str]) -> tuple[str, ...]:
        """Return the labels of those of these options that there are."""
        return tuple(self.options[option][0] for option in options if option in self.options)

    def take(self, option: str, default: str = "") -> str:
        """Return the value of an option, which is thereby made use of."""
        self.taken.add(option)
        return self.value(option, default)

    def part(self, name: str) -> "Body":
        """Return the options below a name, without it; the name itself is the option ''."""
        return Body(
            {
                option[len(name) + 1 :]: entry
                for option, entry in self.options.items()
                if option == name or option.startswith(f"{name}.")
            }
        )
