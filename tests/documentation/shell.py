"""The commands that pages tell to type."""

import re
import shlex
from collections.abc import Iterator

from documentation.markdown import Block, Page

SHELLS = {"sh", "console"}
PROGRAM = "swarmgate"


def command_lines(page: Page) -> Iterator[list[str]]:
    """Return the commands in a page's shell blocks and between its backquotes, each as words."""
    for block in page.blocks:
        yield from commands_of(block)
    for code in page.code_in_prose:
        if code.startswith((f"{PROGRAM} ", "make ")):
            yield from _simple_commands(code)


def commands_of(block: Block) -> Iterator[list[str]]:
    """Return the commands in a block, each as words; none if it is not for a shell."""
    if block.language not in SHELLS:
        return
    text = block.text.replace("\\\n", " ")
    lines = re.findall(r"^\$ (.*)$", text, re.MULTILINE) if block.language == "console" else text.splitlines()
    for line in lines:
        yield from _simple_commands(line)


def _simple_commands(line: str) -> Iterator[list[str]]:
    """Take a line of a shell apart into its commands, without redirections."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if re.fullmatch(r"[|&;()]+", word):
            yield words
            words = []
        else:
            words.append(word)
    yield words
