"""The folder of templates is read as it is, and nothing outside of it is."""

import os
from pathlib import Path

import pytest

from controller.template_folder import TemplateFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of templates beside a secret."""
    (tmp_path / "secret").write_text("hunter2")
    made = tmp_path / "tmpl"
    made.mkdir()
    return made


def test_files_and_those_in_folders(folder: Path) -> None:
    """By their path in the folder."""
    (folder / "a.tmpl").write_text("ä\n")
    (folder / "b" / "c").mkdir(parents=True)
    (folder / "b" / "c" / "d").write_text("d")
    found = TemplateFolder(folder).read()
    assert {name: file.text for name, file in found.items()} == {"a.tmpl": "ä\n", "b/c/d": "d"}


def test_a_folder_that_is_not_there_is_empty(folder: Path) -> None:
    """Most proxies have none."""
    assert TemplateFolder(folder / "none").read() == {}


def test_links_may_lead_to_files_of_the_folder_only(folder: Path, tmp_path: Path) -> None:
    """Whatever they lead to otherwise is not read."""
    (folder / "real").write_text("text")
    (folder / "inside").symlink_to("real")
    (folder / "outside").symlink_to(tmp_path / "secret")
    (folder / "dots").symlink_to("../secret")
    (folder / "again").symlink_to("outside")
    (folder / "nowhere").symlink_to("none")
    (folder / "loop").symlink_to("loop")
    (folder / "up").symlink_to("..", target_is_directory=True)
    found = TemplateFolder(folder).read()
    assert found["inside"].text == "text"
    assert {name for name, file in found.items() if file.text is None} == set(found) - {"inside", "real"}
    assert "leads out of the folder" in found["outside"].problem
    assert not any("hunter2" in f"{file.text}{file.problem}" for file in found.values())


def test_what_is_no_text_is_told(folder: Path) -> None:
    """And is waited for never."""
    (folder / "large").write_text("x" * (64 * 1024 + 1))
    (folder / "bytes").write_bytes(b"\xff\xfe")
    (folder / "nul").write_bytes(b"a\0b")
    os.mkfifo(folder / "pipe")
    found = TemplateFolder(folder).read()
    assert {name: (file.text, file.problem) for name, file in found.items()} == {
        "large": (None, "is larger than 64 kB"),
        "bytes": (None, "is not text in UTF-8"),
        "nul": (None, "is not text"),
        "pipe": (None, "is not a regular file"),
    }


def test_a_changed_file_is_read_again_and_no_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking at an unchanged folder opens nothing."""
    store = TemplateFolder(folder)
    (folder / "a").write_text("1")
    (folder / "b").write_text("1")
    first = store.read()
    (folder / "a").write_text("22")
    second = store.read()
    assert (second["a"].text, second["b"]) == ("22", first["b"])
    monkeypatch.setattr(os, "open", None)
    assert store.read() == second
    (folder / "a").unlink()
    assert store.read().keys() == {"b"}


def test_there_is_an_end_to_files_and_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder mounted by mistake is not read as a whole."""
    monkeypatch.setattr("controller.template_folder._MOST_FILES", 3)
    for name in "abcd":
        (folder / name).write_text(name)
    assert [*TemplateFolder(folder).read()] == ["a", "b", "c"]
    deep = folder / "1/2/3/4/5"
    deep.mkdir(parents=True)
    (deep / "x").write_text("x")
    monkeypatch.setattr("controller.template_folder._MOST_FILES", 100)
    assert "1/2/3/4/5/x" not in TemplateFolder(folder).read()
