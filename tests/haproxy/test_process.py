"""HAProxy as a process: it outlives controllers, and says why when it does not run."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from haproxy.conftest import MakeDataplane
from haproxy.loopback import Slowness, get, http_server, until_refused
from haproxy.worlds import world

from controller.changes import Outcome, Plan, ReloadReason
from controller.errors import PermanentError, TemporaryError
from controller.haproxy import launch
from controller.haproxy.dataplane import HAProxyDataplane
from controller.haproxy.lock import StateLock
from controller.haproxy.process import HAProxyProcess, _runs
from models.observed import NOT_RUNNING
from render.files import Rendered

START = Plan(start=True)
_CONTROLLER = """
    import asyncio, pathlib, sys
    from controller.changes import Plan
    from controller.haproxy.dataplane import HAProxyDataplane
    from render.files import Rendered

    binary, folder, config = sys.argv[1:]
    dataplane = HAProxyDataplane(binary, state_dir=pathlib.Path(folder, "state"), run_dir=pathlib.Path(folder, "run"))
    maps = {"maps/prefix.map": {}, "maps/ending.map": {}}
    asyncio.run(dataplane.apply(Plan(start=True), Rendered(config=config, maps=maps)))
    print("started", flush=True)
    sys.stdin.read()
"""


def _world(dataplane: HAProxyDataplane, port: int, extra: str = "") -> Rendered:
    return world(runtime_socket=dataplane.runtime_socket, port=port, extra=extra)


def _start_and_kill(arguments: list[str]) -> None:
    command = [sys.executable, "-c", textwrap.dedent(_CONTROLLER), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as controller:
        assert controller.stdout is not None
        assert controller.stdout.readline() == b"started\n"
        controller.kill()


def _open_files(pid: int | None) -> list[str]:
    return [str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir()]


async def test_haproxy_outlives_the_killed_controller(
    binary: Path, folder: Path, port: int, make_dataplane: MakeDataplane
) -> None:
    """It is a child of init, in a session of its own, and the next controller finds it."""
    files = world(runtime_socket=folder / "run/runtime.sock", port=port)
    await asyncio.to_thread(_start_and_kill, [str(binary), str(folder), files.config])
    dataplane = make_dataplane(binary)
    processes = await dataplane.process.processes()
    assert processes is not None
    assert os.getsid(processes.master) == processes.master
    assert (await dataplane.observe()).running
    assert (await asyncio.to_thread(get, port, "/"))[0] == 503


async def test_haproxy_inherits_no_descriptor(dataplane: HAProxyDataplane, port: int, folder: Path) -> None:
    """Neither the lock nor a file that the controller has open."""
    with (folder / "open").open("w", encoding="ascii") as file:
        os.set_inheritable(file.fileno(), True)
        await dataplane.apply(START, _world(dataplane, port))
    processes = await dataplane.process.processes()
    assert processes is not None
    assert not [path for path in _open_files(processes.worker) if str(folder) in path]


async def test_start_that_fails_says_why(dataplane: HAProxyDataplane) -> None:
    """In HAProxy's words, within a moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(TemporaryError, match="cannot bind socket") as caught:
            await dataplane.apply(START, _world(dataplane, taken.getsockname()[1]))
    assert str(dataplane.runtime_socket.parent) not in str(caught.value)
    assert await dataplane.observe() == NOT_RUNNING


async def test_killed_haproxy_is_started_again(dataplane: HAProxyDataplane, port: int) -> None:
    """Sockets that nobody listens on are no HAProxy."""
    await dataplane.apply(START, _world(dataplane, port))
    processes = await dataplane.process.processes()
    assert processes is not None
    assert processes.worker is not None
    os.kill(processes.master, signal.SIGKILL)
    os.kill(processes.worker, signal.SIGKILL)
    for killed in (processes.master, processes.worker):
        await asyncio.to_thread(_wait_for, killed)
    assert dataplane.runtime_socket.exists()
    assert await dataplane.observe() == NOT_RUNNING
    assert (await dataplane.apply(START, _world(dataplane, port))).outcome is Outcome.START


async def test_stop_lets_requests_end(dataplane: HAProxyDataplane, port: int) -> None:
    """A stopped HAProxy takes no new connection, and answers what it has before it goes."""
    slowness = Slowness()
    with http_server("done", slowness) as server:
        files = world(
            runtime_socket=dataplane.runtime_socket, port=port, backends={"web": {"w": server}}, routes={"/": "web"}
        )
        await dataplane.apply(START, files)
        slow = asyncio.create_task(asyncio.to_thread(get, port, "/slow"))
        await slowness.until_asked()
        stopping = asyncio.create_task(dataplane.process.stop(drain_seconds=20))
        await until_refused(port)
        assert not stopping.done()
        slowness.let_go()
        await stopping
        assert await slow == (200, "done")
    assert not await dataplane.process.alive()
    await dataplane.process.stop()


async def test_old_worker_stays_for_its_requests(dataplane: HAProxyDataplane, port: int) -> None:
    """A reload ends no request; the former worker is listed until it is done."""
    slowness = Slowness()
    with http_server("done", slowness) as server:
        parts = {"backends": {"web": {"w": server}}, "routes": {"/": "web"}}
        files = world(runtime_socket=dataplane.runtime_socket, port=port, **parts)  # type: ignore[arg-type]
        await dataplane.apply(START, files)
        before = await dataplane.process.processes()
        slow = asyncio.create_task(asyncio.to_thread(get, port, "/slow"))
        await slowness.until_asked()
        await dataplane.process.reload()
        assert before is not None
        assert await dataplane.process.old_workers() == (before.worker,)
        slowness.let_go()
        assert await slow == (200, "done")
        await _until_no_old_worker(dataplane)


async def _until_no_old_worker(dataplane: HAProxyDataplane) -> None:
    async with asyncio.timeout(10):
        while await dataplane.process.old_workers():  # noqa: ASYNC110 - it is HAProxy that tells
            await asyncio.sleep(0.02)


async def test_old_worker_ends_with_its_requests_if_wanted(
    make_dataplane: MakeDataplane, binary: Path, port: int
) -> None:
    """A reload ends the requests of the former worker, and no others; HAProxy goes on."""
    dataplane = make_dataplane(binary, terminate_on_reload=True)
    with http_server("done") as server:
        parts = {"backends": {"web": {"w": server}}, "routes": {"/": "web"}}
        files = world(runtime_socket=dataplane.runtime_socket, port=port, **parts)  # type: ignore[arg-type]
        await dataplane.apply(START, files)
        _, writer = await asyncio.open_connection("127.0.0.1", port)  # idle, and so would stay for its time limit
        await asyncio.to_thread(get, port, "/")
        await dataplane.process.reload()
        await _until_no_old_worker(dataplane)
        assert await asyncio.to_thread(get, port, "/") == (200, "done")
        writer.close()


_UNBLOCKING = "import os; os.set_blocking(1, False); os.write(1, b'logged')"


def _launch(stdout: int) -> None:
    """Have a program launched that makes its standard output non-blocking, and wait for its end."""
    reading, writing = os.pipe()
    command = [sys.executable, "-I", "-S", launch.__file__, str(writing), sys.executable, "-c", _UNBLOCKING]
    subprocess.run(command, stdout=stdout, pass_fds=[writing], check=True)
    os.close(writing)
    pid = int(os.read(reading, 32))
    os.close(reading)
    _wait_for(pid)


def _wait_for(pid: int) -> None:
    deadline = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.01)


def test_haproxy_has_its_standard_output_for_itself() -> None:
    """It makes it non-blocking, so that it never waits for who reads; the controller's own stays as it is."""
    reading, writing = os.pipe()
    _launch(writing)
    assert os.read(reading, 6) == b"logged"
    assert os.get_blocking(writing)
    os.close(reading)
    os.close(writing)


def test_a_file_is_written_to_where_it_ends(folder: Path) -> None:
    """It is not opened anew."""
    with (folder / "log").open("wb", buffering=0) as file:
        file.write(b"before, ")
        _launch(file.fileno())
        file.write(b", after")
    assert (folder / "log").read_bytes() == b"before, logged, after"


async def test_silent_haproxy_is_a_temporary_error(
    binary: Path, folder: Path, port: int, make_dataplane: MakeDataplane
) -> None:
    """A worker that hangs is there, and is not taken for one that has gone."""
    first = make_dataplane(binary)
    await first.apply(START, _world(first, port))
    processes = await first.process.processes()
    assert processes is not None
    assert processes.worker is not None
    first.close()
    impatient = HAProxyDataplane(binary, state_dir=folder / "state", run_dir=folder / "run", command_limit=0.2)
    os.kill(processes.worker, signal.SIGSTOP)
    try:
        with pytest.raises(TemporaryError, match="did not answer"):
            await impatient.observe()
    finally:
        os.kill(processes.worker, signal.SIGCONT)
    assert (await impatient.observe()).running
    impatient.close()


async def test_only_one_controller_at_a_time(dataplane: HAProxyDataplane, binary: Path, folder: Path) -> None:
    """The second one is told who is the first."""
    state_dir, run_dir = folder / "state", folder / "run2"
    with pytest.raises(TemporaryError, match=rf"Another controller \(process {os.getpid()}\)"):
        HAProxyDataplane(binary, state_dir=state_dir, run_dir=run_dir)
    dataplane.close()
    HAProxyDataplane(binary, state_dir=state_dir, run_dir=run_dir).close()


def test_lock_can_be_released_twice(folder: Path) -> None:
    """Closing is no matter of counting."""
    lock = StateLock(folder)
    lock.release()
    lock.release()
    StateLock(folder).release()


def test_socket_path_must_be_short(binary: Path, folder: Path) -> None:
    """HAProxy would fail later, and with other words."""
    with pytest.raises(PermanentError, match="choose a shorter folder"):
        HAProxyProcess(binary, config=folder / "haproxy.cfg", run_dir=folder / ("x" * 90))


def test_binary_must_be_there(folder: Path) -> None:
    """The name is looked up like a command."""
    with pytest.raises(PermanentError, match="There is no HAProxy at no-such-haproxy"):
        HAProxyProcess("no-such-haproxy", config=folder / "haproxy.cfg", run_dir=folder)


async def test_noop_and_unchanged_files_write_nothing(dataplane: HAProxyDataplane, port: int, folder: Path) -> None:
    """An empty plan leaves the folder as it is, and so does a reload of the same files."""
    await dataplane.apply(START, _world(dataplane, port))
    before = {path: path.lstat().st_mtime_ns for path in (folder / "state").rglob("*")}
    await dataplane.apply(Plan(), _world(dataplane, port, extra="# other"))
    await dataplane.apply(Plan(reload_reasons=(ReloadReason.SETTINGS,)), _world(dataplane, port))
    assert {path: path.lstat().st_mtime_ns for path in (folder / "state").rglob("*")} == before
