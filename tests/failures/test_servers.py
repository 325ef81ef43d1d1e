"""What went wrong in Docker Flow with addresses of tasks."""

from builders import observed_of, rendered_of, service, snapshot, task

from controller.changes import ServerMoved
from controller.plan import make_plan

STICKY = {"servicePath": "/", "port": "80", "sessionType": "sticky-server"}


def test_f19_servers_follow_the_tasks_and_cookies_stay_good() -> None:
    """F19: addresses of tasks that had gone stayed, and clients with a cookie were sent there.

    A replaced task keeps its server's name, which is what the cookie says, and moves it without a reload.
    """
    before = rendered_of(snapshot(service("web", STICKY, tasks=[task(1), task(2)])))
    replaced = task(1, address="10.0.1.201/24", task_id="next")
    after = rendered_of(snapshot(service("web", STICKY, tasks=[replaced, task(2)])))
    plan = make_plan(observed_of(before), after)
    assert plan.changes == (ServerMoved("web-be80_0", "web_1", "10.0.1.201", 80),)
    assert not plan.reload_reasons
    assert not plan.retirements
