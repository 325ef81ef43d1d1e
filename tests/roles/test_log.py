"""What ``swarmgate proxy`` writes: one line for each reconcile that changed something, and one for each request."""

import json
import re
from pathlib import Path
from typing import Any

from documentation.logs_page import examples
from haproxy.loopback import free_port
from roles.conftest import MakeProxy
from roles.processes import Proxy, eventually, plain, put

SHOWN = examples()
"""The lines that the page about logs shows, by event."""


def lines(proxy: Proxy, event: str) -> list[dict[str, Any]]:
    """Return the lines about something; every line but HAProxy's own ``[...]`` has to be JSON."""
    written = [line for line in proxy.words().splitlines() if not line.startswith("[")]
    return [line for line in map(json.loads, written) if line["event"] == event]


def line_number(proxy: Proxy, number: int, event: str = "Reconciled") -> dict[str, Any]:
    """Wait for so many lines, and return the last of them; there must not be more."""
    found = eventually(lambda: lines(proxy, event)[number - 1 :], f"line {number} is written")
    assert len(found) == 1
    return found[0]


def test_a_reconcile_that_changed_something_is_one_line(
    make_proxy: MakeProxy, binary: Path, stack_file: Path, backend: int
) -> None:
    """Why it was, what changed, how HAProxy was told, and how long it took; there is none where nothing changed."""
    put(stack_file, {"web": plain(backend, "/web"), "old": plain(backend, "/old")})
    proxy = make_proxy(binary, "--stack-file", str(stack_file))
    eventually(proxy.ready, "the proxy is ready")
    first = line_number(proxy, 1)
    told = {"outcome": "start", "services": 2, "added": 2, "changed": 0, "removed": 0, "commands": 0, "level": "info"}
    assert {name: first[name] for name in told} == told
    assert "start" in first["causes"]

    put(stack_file, {"web": plain(backend, "/web,/www"), "new": plain(backend, "/new")})
    second = line_number(proxy, 2)
    is_new = "3.4" in str(binary)
    told = {"services": 2, "added": 1, "changed": 1, "removed": 1, "quarantined": [], "refused": None}
    told |= {"outcome": "runtime" if is_new else "reload", "reload_reasons": [] if is_new else ["backend"]}
    assert {name: second[name] for name in told} == told
    assert "stack file" in second["causes"]
    assert (second["commands"] > 0) == is_new
    shown = SHOWN["Reconciled"]
    assert (second.keys(), second["ms"].keys()) == (shown.keys(), shown["ms"].keys())
    assert second["ms"]["since_change"] > second["ms"]["total"] >= second["ms"]["apply"]
    assert re.fullmatch("[0-9a-f]{16}", second["conditions"])
    assert second["conditions"] != first["conditions"]
    assert second["source_age"] < 60

    rounds = proxy.metric("swarmgate_reconcile_total", outcome="noop")
    stack_file.touch()
    eventually(lambda: proxy.metric("swarmgate_reconcile_total", outcome="noop") > rounds, "it looks again")
    assert [line for line in lines(proxy, "Reconciled")[2:] if line["outcome"] == "noop"] == []


def test_the_line_names_what_haproxy_refuses(
    make_proxy: MakeProxy, newest: Path, stack_file: Path, backend: int
) -> None:
    """For as long as it does."""
    put(stack_file, {"web": plain(backend, "/web")})
    proxy = make_proxy(newest, "--stack-file", str(stack_file), ALLOW_RAW_CONFIG="true")
    eventually(proxy.ready, "the proxy is ready")
    put(
        stack_file,
        {"web": plain(backend, "/web,/www"), "bad": plain(backend, "/bad", backendExtra="timeout server soon")},
    )
    eventually(lambda: proxy.condition("bad", "Programmed").get("status") == "False", "it is refused")
    assert lines(proxy, "Reconciled")[-1]["quarantined"] == ["bad"]


def test_a_reconcile_that_failed_is_one_line_as_well(make_proxy: MakeProxy, newest: Path) -> None:
    """Why it was, and why it failed."""
    proxy = make_proxy(newest, LISTENER_ADDRESS=f"127.0.0.1:{free_port()}")
    event = "Reconcile failed and is tried again"
    failed = eventually(lambda: lines(proxy, event), "the failure is told")[0]
    assert (failed.keys(), failed["ms"].keys()) == (SHOWN[event].keys(), SHOWN[event]["ms"].keys())
    assert failed["causes"] == ["start"]
    assert (failed["outcome"], failed["services"], failed["level"]) == ("failed", None, "warning")
    assert failed["error"]


def test_requests_are_logged_with_services_and_routes_of_the_moment(
    make_proxy: MakeProxy, newest: Path, stack_file: Path, backend: int
) -> None:
    """Services that came and routes that changed while HAProxy ran, without a reload; all that is written is JSON."""
    put(stack_file, {"web": plain(backend, "/web")})
    proxy = make_proxy(newest, "--stack-file", str(stack_file), ACCESS_LOG="json")
    eventually(proxy.ready, "the proxy is ready")
    put(stack_file, {"web": plain(backend, "/web,/www"), "shop": plain(backend, "/shop", serviceDomain="shop.test")})
    eventually(lambda: proxy.status("/shop", Host="shop.test") == 200, "the new service answers")
    eventually(lambda: proxy.status("/www") == 200, "the new route answers")
    expected = {("shop", "shop.test/shop"), ("web", "/web|/www")}

    def told() -> set[tuple[str, str]]:
        return {(line["service"], line["route"]) for line in lines(proxy, "request") if line["status"] == 200}

    eventually(lambda: told() >= expected, "they are logged")
    assert told() == expected
    assert proxy.reloads == 0
