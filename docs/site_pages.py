"""What the documentation site needs besides the pages in this folder: pages from elsewhere, and links that fit.

MkDocs calls the functions ``on_...`` (``hooks`` in ``mkdocs.yml``). Links in all pages are those that work in the
repository. On the site, those to a page lead to that page, and those to anything else, such as a test, are its name.
"""

import posixpath
import re
from collections.abc import Container, Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = "docs"
_FROM_ELSEWHERE = (
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "SECURITY.md",
    "charts/**/*.md",
    "charts/**/*.yml",
    "charts/**/*.cfg",
)
"""What the site has of the repository outside of this folder: pages, and the files that these speak of."""

_LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\[\]]*\])+)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)\s]*)?\)")
_CODE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages and files from elsewhere, under the paths that they have in the repository."""
    for path in _elsewhere():
        source = str(ROOT / path)
        files.append(File.generated(config, path, abs_src_path=source, inclusion=InclusionLevel.INCLUDED))
    return files


def _elsewhere() -> Iterator[str]:
    for pattern in _FROM_ELSEWHERE:
        yield from sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob(pattern))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - by name
    """Return a page's text with links that fit the site."""
    known = {file.src_uri for file in files if file.inclusion is not InclusionLevel.EXCLUDED}
    source = page.file.src_uri
    parts = _CODE.split(markdown)
    parts[::2] = [_LINK.sub(lambda link: _fitting(link, source, known), part) for part in parts[::2]]
    return "".join(parts)


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001 - by name
    """Return a page with a name for its dialog, for those who hear it; the theme gives it none."""
    return output.replace('role="dialog"', 'role="dialog" aria-label="Search"')


def _fitting(link: re.Match[str], source: str, known: Container[str]) -> str:
    """Return a link of the page ``source`` as one between paths of the site, or its words if it has no such path."""
    words, target, anchor = link[1], link[2], link[3] or ""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(_in_repository(source)), target))
    on_site = path.removeprefix(f"{DOCS}/")
    if on_site not in known:
        return words
    return f"[{words}]({posixpath.relpath(on_site, posixpath.dirname(source) or '.')}{anchor})"


def _in_repository(source: str) -> str:
    """Return the path that a page of the site has in the repository."""
    return source if (ROOT / source).is_file() else f"{DOCS}/{source}"
