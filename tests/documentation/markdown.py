"""The project's pages as data: their code blocks, links, headings, and the words outside of code blocks."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_ELSEWHERE = {"build", "dist", "node_modules"}

_BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)(?: \"[^\"]*\")?\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced code block: the line it begins at, what it says it is, and its text."""

    line: int
    language: str
    text: str

    @property
    def is_stack(self) -> bool:
        """Whether it is a stack file."""
        return self.language == "yaml" and bool(re.search(r"^services:", self.text, re.MULTILINE))


@dataclass(frozen=True, slots=True)
class Page:
    """A Markdown file."""

    path: Path

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        """All of it."""
        return self.path.read_text(encoding="utf-8")

    @property
    def blocks(self) -> list[Block]:
        """Its code blocks, in order."""
        text = self.text
        return [
            Block(text.count("\n", 0, found.start()) + 1, found["language"].strip(), found["text"])
            for found in _BLOCK.finditer(text)
        ]

    @property
    def prose(self) -> str:
        """What is outside of code blocks."""
        return _BLOCK.sub("", self.text)

    @property
    def code_in_prose(self) -> list[str]:
        """What stands between backquotes outside of code blocks."""
        return _CODE.findall(self.prose)

    @property
    def links(self) -> list[str]:
        """Where it leads to within the project."""
        targets = (found["target"] for found in _LINK.finditer(_CODE.sub("", self.prose)))
        return [target for target in targets if not re.match(r"[a-z]+:", target)]

    @property
    def anchors(self) -> set[str]:
        """The names of its headings, as a code host makes them."""
        return set(_slugs(_HEADING.findall(self.prose)))


def _slugs(headings: list[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for heading in headings:
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        yield slug if not seen[slug] else f"{slug}-{seen[slug]}"
        seen[slug] += 1


PAGES = [
    Page(path)
    for path in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(".") or part in _ELSEWHERE for part in path.relative_to(ROOT).parts)
]
"""All pages of the project, by path."""
