"""Traces: a valid `traceparent` goes on as it is, and where there is none, one is made and logged."""

import re
from pathlib import Path

import pytest
from label_effects.edge import Origin, behind, edge
from setting_effects.log import line_where

from models.settings import ProxySettings

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{PARENT}-00"
MADE = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01")
STATE = "tracestate: vendor=1"

VALID = (GIVEN, f"00-{TRACE}-{PARENT}-01", f"cc-{TRACE}-{PARENT}-01", f"cc-{TRACE}-{PARENT}-01-what-comes-later")
INVALID = (
    *("", "-", "00", GIVEN.upper(), f"{GIVEN}-more", f"{GIVEN}x", f"ff-{TRACE}-{PARENT}-01", f"0-{TRACE}-{PARENT}-01"),
    *(f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE[1:]}-{PARENT}-01", f"00-{TRACE}-{PARENT}"),
    *(f"00-{TRACE[:-1]}g-{PARENT}-01", f"cc-{TRACE}-{PARENT}-01.more", f"{GIVEN}, {GIVEN}", f'00-{TRACE}-"-01'),
)


@pytest.mark.parametrize("settings", [ProxySettings(access_log="json"), ProxySettings(traceparent="true")])
async def test_a_trace_goes_on_or_begins(binary: Path, folder: Path, origin: Origin, settings: ProxySettings) -> None:
    """What another vendor says of a trace goes on with it, and not without it."""
    async with edge(binary, folder, behind(origin), settings=settings) as proxy:
        for given in VALID:
            assert (await proxy.ask("/web", f"Traceparent: {given}", STATE)).status == 200
            assert origin.got()["traceparent"] == [given]
            assert origin.got()["tracestate"] == ["vendor=1"]
        made = []
        wrong = [[f"traceparent: {given}"] for given in INVALID]
        for headers in ([], *wrong, [f"traceparent: {GIVEN}", f"traceparent: {GIVEN}"]):
            assert (await proxy.ask("/web", *headers, STATE)).status == 200
            made += origin.got()["traceparent"]
            assert "tracestate" not in origin.got()
        assert len(made) == len(INVALID) + 2
        assert [each for each in made if not MADE.fullmatch(each)] == []
        assert len({each.split("-")[1] for each in made}) == len({each.split("-")[2] for each in made}) == len(made)


async def test_the_trace_of_a_request_is_logged(binary: Path, folder: Path, origin: Origin) -> None:
    """Its own, or the one that was made for it; also of requests that reach no service."""
    async with edge(binary, folder, behind(origin), settings=ProxySettings(access_log="json")) as proxy:
        await proxy.ask("/web/given", f"traceparent: {GIVEN}")
        assert (await line_where(folder, path="/web/given"))["trace_id"] == TRACE
        await proxy.ask("/web/made")
        assert (await line_where(folder, path="/web/made"))["trace_id"] == origin.got()["traceparent"][0].split("-")[1]
        await proxy.ask("/none/given", f"traceparent: {GIVEN}")
        assert (await line_where(folder, path="/none/given"))["trace_id"] == TRACE
        await proxy.ask("/web/%zz", f"traceparent: {GIVEN}")
        assert (await line_where(folder, path="/web/%zz"))["trace_id"] == TRACE


async def test_without_either_variable_a_header_is_left_alone(binary: Path, folder: Path, origin: Origin) -> None:
    """Whatever it says, and nobody gets one."""
    async with edge(binary, folder, behind(origin)) as proxy:
        await proxy.ask("/web", "traceparent: whatever", STATE)
        assert (origin.got()["traceparent"], origin.got()["tracestate"]) == (["whatever"], ["vendor=1"])
        await proxy.ask("/web")
        assert "traceparent" not in origin.got()
