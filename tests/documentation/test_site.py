"""The documentation site builds without a warning, and a browser that shows it asks nobody else for anything."""

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a link that leads nowhere, or a page that is in no menu, fails it."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    """What pages and style sheets load is on the site itself."""
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        loaded = re.findall(r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?([^\"' >]+)", page.read_text())
        loaded += re.findall(
            r"<link\b[^>]*\brel=[\"']?(?:stylesheet|icon|preload|preconnect)\b[^>]*>", page.read_text()
        )
        assert [each for each in loaded if re.search(r"(?:^|href=[\"']?)(?:https?:)?//", each)] == [], page
    sheets = sorted(site.rglob("*.css"))
    assert sheets
    assert [sheet for sheet in sheets if re.search(r"(?:url\(|@import )[\"']?(?:https?:)?//", sheet.read_text())] == []


def test_links_to_what_is_in_the_repository_are_kept_where_the_site_has_it(site: Path) -> None:
    """Stack files that pages speak of can be had from the site; of tests only the names are there."""
    page = (site / "SECURITY.html").read_text()
    assert 'href="charts/swarmgate/socket-proxy.yml"' in page
    assert (site / "charts/swarmgate/socket-proxy.yml").is_file()
    assert "tests/edge/test_tls.py" not in re.findall(r'href="([^"#]+)', page)
    assert "tests/edge" in page


def test_the_dialog_has_a_name(site: Path) -> None:
    """Who hears a page rather than sees it is told what opens."""
    (dialog,) = re.findall(r"<[^>]*role=\"?dialog[^>]*>", (site / "index.html").read_text())
    assert "aria-label=" in dialog


def test_sources_of_pages_are_no_pages(site: Path) -> None:
    """Templates and scripts are not on the site."""
    assert [path for path in site.rglob("*") if path.suffix in {".py", ".j2"} or path.name == "migrating.yml"] == []


@pytest.mark.parametrize("picture", sorted((ROOT / "docs" / "pictures").glob("*.svg")), ids=lambda path: path.stem)
def test_pictures_are_for_light_and_dark_and_have_a_title(picture: Path) -> None:
    """They bring their ground along, so that they can be read on any page, and name what they show."""
    drawn = ET.fromstring(picture.read_text())  # noqa: S314 - our own
    assert len(drawn.findtext(f"{SVG}title") or "") > 20
    assert "prefers-color-scheme: dark" in (drawn.findtext(f"{SVG}style") or "")
    assert next(drawn.iter(f"{SVG}rect")).get("class") == "ground"
    assert re.findall(r"(?:href|src)=|url\((?!#)", picture.read_text()) == []
