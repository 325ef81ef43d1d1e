"""Declared services in a file."""

from pathlib import Path

from controller.declarations import FileKeeper


async def test_what_was_kept_is_there_again(tmp_path: Path) -> None:
    """A service that is declared anew keeps its age and gets a higher version, unless nothing is new."""
    changes: list[str] = []
    keeper = FileKeeper(tmp_path / "declared.json", changes.append)
    first = await keeper.put("web", {"com.df.servicePath": "/web"})
    born = keeper.services[0].created_at
    second = await keeper.put("web", {"com.df.servicePath": "/other"})

    assert second.version > first.version
    assert await keeper.put("web", {"com.df.servicePath": "/other"}) == second
    again = FileKeeper(tmp_path / "declared.json")
    assert again.services == keeper.services
    assert again.services[0].created_at == born
    assert await again.remove("web")
    assert not await again.remove("web")
    assert len(changes) == 2
    assert not FileKeeper(tmp_path / "declared.json").services


async def test_a_file_that_cannot_be_understood_is_put_aside(tmp_path: Path) -> None:
    """It is not overwritten."""
    path = tmp_path / "declared.json"
    path.write_text("{", encoding="utf-8")
    keeper = FileKeeper(path)

    assert not keeper.services
    await keeper.put("web", {})
    assert path.with_suffix(".unusable").read_text(encoding="utf-8") == "{"
