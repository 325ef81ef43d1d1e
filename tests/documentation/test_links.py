"""Links in all pages lead somewhere, headings included."""

import pytest
from documentation.markdown import PAGES, Page


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_somewhere(page: Page) -> None:
    """To a file or folder of the repository, and to a heading that is in there."""
    lost = []
    for link in page.links:
        target, _, anchor = link.partition("#")
        path = (page.path.parent / target).resolve() if target else page.path
        if not path.exists() or (anchor and anchor not in Page(path).anchors):
            lost.append(link)
    assert lost == []


def test_there_are_pages_with_links() -> None:
    """What reads them finds some."""
    assert sum(len(page.links) for page in PAGES) > 50
