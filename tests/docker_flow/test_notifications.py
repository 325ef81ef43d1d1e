"""What targets are told, and where they come from; all of it pure but the sending."""

from pathlib import Path

import builders
import httpx
import pytest
from prometheus_client import CollectorRegistry

from controller.environment import listener_settings, service_variables
from controller.errors import PermanentError, SourceUnavailableError
from controller.notifications.ledger import Created, Removed
from controller.notifications.messages import Vocabulary, service_facts
from controller.notifications.metrics import DockerFlowMetrics
from controller.notifications.nodes import NodeNames
from controller.notifications.sending import Worker
from controller.notifications.targets import Target, read_targets
from models.snapshot import Snapshot

WORDS = Vocabulary()


def facts(*names: str, **more: object) -> dict[str, object]:
    """Return the facts about running services with these names."""
    world = builders.snapshot(*(builders.service(name, **more) for name in names))
    return dict(service_facts(world, (), WORDS))


def test_a_target_is_told_what_it_does_not_know() -> None:
    """What is new or has changed, and again what came back; nothing twice."""
    ledger = Created()
    ledger.look(facts("a", "b"))  # type: ignore[arg-type]
    assert [message.id for message in ledger.pending()] == ["id-a", "id-b"]
    for message in ledger.pending():
        ledger.accepted(message)
    assert not ledger.pending()

    ledger.look(facts("a", "b", labels={"servicePath": "/x"}))  # type: ignore[arg-type]
    old = ledger.pending()[0]
    ledger.look(facts("a"))  # type: ignore[arg-type]
    ledger.accepted(old)
    assert [message.id for message in ledger.pending()] == ["id-a"]
    ledger.look({})
    ledger.look(facts("b"))  # type: ignore[arg-type]
    assert [message.id for message in ledger.pending()] == ["id-b"]


def test_a_removal_is_pending_until_it_is_accepted_or_untrue() -> None:
    """A service that is back, even under another id, is not said to be gone."""
    ledger = Removed({"old": {"serviceName": "old", "distribute": "true"}})
    ledger.look(facts("a"))  # type: ignore[arg-type]
    assert [message.parameters["serviceName"] for message in ledger.pending()] == ["old"]
    ledger.accepted(ledger.pending()[0])
    ledger.look({})
    assert [message.id for message in ledger.pending()] == ["id-a"]
    ledger.look(facts("a", id="another"))  # type: ignore[arg-type]
    assert not ledger.pending()


def test_a_service_counts_from_its_first_task_to_its_last_replica() -> None:
    """While tasks are replaced it stays; scaled to 0 it is gone."""
    running, starting, stopped = (
        builders.snapshot(builders.service("a", tasks=tasks, replicas=replicas))
        for tasks, replicas in ((1, 1), (0, 1), (0, 0))
    )

    assert not service_facts(starting, (), WORDS)
    assert service_facts(running, (), WORDS)
    assert service_facts(starting, ("id-a",), WORDS)
    assert not service_facts(stopped, ("id-a",), WORDS)
    assert not service_facts(Snapshot(), ("id-a",), WORDS)


def test_names() -> None:
    """A short name is without the stack's, and a prefix names the Swarm."""
    service = builders.service("shop_web", {"shortName": "true", "distribute": "false"}, stack="shop")

    assert WORDS.created(builders.service("shop_web", {"shortName": "true"}))["serviceName"] == "shop_web"
    assert WORDS.created(service)["serviceName"] == "web"
    assert Vocabulary(name_prefix="east").removed(service) == {"serviceName": "east_web", "distribute": "false"}


def test_a_service_may_be_told_of_before_it_runs() -> None:
    """``DF_NOTIFY_CREATE_SERVICE_IMMEDIATELY``; one without replicas still is none."""
    starting, stopped = (builders.snapshot(builders.service("a", tasks=0, replicas=number)) for number in (1, 0))

    assert service_facts(starting, (), WORDS, immediately=True)
    assert not service_facts(stopped, (), WORDS, immediately=True)


SCRAPED = builders.service(
    "web",
    {"scrapeNetwork": "monitor"},
    tasks=[
        builders.task(1, node="n2", address="10.0.2.7/24"),
        builders.task(2, node="n1", address="10.0.2.6/24"),
        builders.task(3, node="n1", address="10.0.1.6/24"),
        builders.task(4, node="n1", address="10.0.2.8/24", state="pending"),
        builders.task(5, node="unknown", address="10.0.2.9/24"),
    ],
    networks={"10.0.1.0/24": "front", "10.0.2.0/24": "monitor"},
)
HOSTNAMES = {"n1": "host1", "n2": "host2"}


def test_where_tasks_run_is_told_of_services_with_a_scrape_network() -> None:
    """DFSL's ``nodeInfo``: the running tasks on that network, or without their addresses all nodes they run on."""
    assert "nodeInfo" not in WORDS.created(SCRAPED)
    assert WORDS.created(SCRAPED, HOSTNAMES)["nodeInfo"] == '[["host1","10.0.2.6","n1"],["host2","10.0.2.7","n2"]]'
    bare = Vocabulary(task_addresses=False).created(SCRAPED, HOSTNAMES)
    assert bare["nodeInfo"] == '[["host1","","n1"],["host2","","n2"]]'
    assert "nodeInfo" not in WORDS.created(SCRAPED.model_copy(update={"labels": {}}), HOSTNAMES)
    assert "nodeInfo" not in WORDS.created(SCRAPED.model_copy(update={"networks": {}}), HOSTNAMES)


async def test_nodes_are_read_only_for_tasks_on_unknown_ones() -> None:
    """And not at all while nobody scrapes; if they cannot be read, that is counted."""
    nodes = [{"id": id_, "hostname": name} for id_, name in HOSTNAMES.items()]
    answers: list[list[dict[str, str]] | None] = [nodes, None]
    failures: list[str] = []

    async def read() -> tuple[dict[str, str], ...]:
        answer = answers.pop(0)
        if answer is None:
            raise SourceUnavailableError("away")
        return tuple(answer)

    names = NodeNames(read, failures.append)
    known = builders.snapshot(SCRAPED.model_copy(update={"tasks": SCRAPED.tasks[:4]}))
    assert await names.of(builders.snapshot(builders.service("plain"))) == {}
    assert await names.of(known) == await names.of(known) == HOSTNAMES
    assert await names.of(builders.snapshot(SCRAPED)) == HOSTNAMES
    assert failures == ["ListenForNodeEvents"]


def test_targets_come_from_variables_secrets_and_former_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets are in addition; a former name counts where the present one is not set; the last method repeats."""
    (tmp_path / "df_notify_create_service_url").write_text("http://c/x\n", encoding="utf-8")
    monkeypatch.setenv("DF_NOTIFY_CREATE_SERVICE_URL", "http://a/x,http://b:81/x?key=secret")
    monkeypatch.setenv("DF_NOTIFY_CREATE_SERVICE_METHOD", "get,post")
    monkeypatch.setenv("DF_NOTIFICATION_URL", "http://old/x")
    settings = listener_settings(secrets_dir=tmp_path)
    targets = read_targets(settings, tmp_path)

    assert [(each.action, each.url, each.method) for each in targets] == [
        ("create", "http://a/x", "GET"),
        ("create", "http://b:81/x?key=secret", "POST"),
        ("create", "http://c/x", "POST"),
        ("remove", "http://old/x", "GET"),
    ]
    assert "secret" not in repr(targets)
    assert targets[1].shown == "http://b:81/x"
    monkeypatch.setenv("DF_NOTIFY_REMOVE_NODE_URL", "nowhere")
    with pytest.raises(PermanentError, match="DF_NOTIFY_REMOVE_NODE_URL"):
        read_targets(listener_settings(secrets_dir=tmp_path), tmp_path)


def test_services_may_be_declared_by_secrets(tmp_path: Path) -> None:
    """They win over variables; the proxy's own SERVICE_NAME is none of them."""
    (tmp_path / "dfp_service_1_users").write_text("ann:secret\n", encoding="utf-8")
    (tmp_path / "dfp_service_name").write_text("my_proxy", encoding="utf-8")

    found = service_variables({"DFP_SERVICE_1_USERS": "x"}, tmp_path)
    assert found == {"DFP_SERVICE_1_USERS": "ann:secret"}


async def test_a_refused_message_holds_up_no_other_and_is_not_hurried() -> None:
    """Nor does a target that is away get all messages thrown at it."""
    now = 0.0
    asked: list[str] = []
    answers = {"id-a": 500, "id-b": 200}

    def answer(request: httpx.Request) -> httpx.Response:
        name = request.url.params["serviceName"]
        asked.append(name)
        if not answers:
            raise httpx.ConnectError("away")
        return httpx.Response(answers[f"id-{name}"])

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        target = Target("service", "create", "http://target/x")
        metrics = DockerFlowMetrics(CollectorRegistry())
        worker = Worker(target, Created(), client, metrics, interval=4, clock=lambda: now)
        worker.look(facts("a", "b"))  # type: ignore[arg-type]
        assert await worker._round() is not None
        assert asked == ["a", "b"]
        assert await worker._round() is not None
        assert asked == ["a", "b"]
        answers["id-a"] = 409
        now = 1.0
        assert await worker._round() is None
        assert asked == ["a", "b", "a"]

        answers.clear()
        worker.forget()
        assert await worker._round() is not None
        assert asked == ["a", "b", "a", "a"]


async def test_without_retries_everything_is_told_once() -> None:
    """``DF_RETRY=0``: to a target that is away too, and again when it changes or is asked for."""
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["serviceName"])
        if asked[-1] == "a":
            raise httpx.ConnectError("away")
        return httpx.Response(500)

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        target = Target("service", "create", "http://target/x")
        metrics = DockerFlowMetrics(CollectorRegistry())
        worker = Worker(target, Created(), client, metrics, interval=4, retries=False)
        worker.look(facts("a", "b"))  # type: ignore[arg-type]
        for _ in range(2):
            assert await worker._round() is None
        assert asked == ["a", "b"]
        worker.look(facts("a", "b", labels={"servicePath": "/x"}))  # type: ignore[arg-type]
        assert await worker._round() is None
        worker.forget()
        assert await worker._round() is None
    assert asked == ["a", "b"] * 3
