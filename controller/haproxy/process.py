"""HAProxy as a process: started beside the controller, adopted by the next one, reloaded, and stopped.

It runs in master-worker mode (Management guide 3 and 9.4). All that is known about it is asked from the master's
socket, so there is nothing to remember and nothing to lose when the controller is killed.
"""

import asyncio
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

from controller.errors import LoadRefusedError, PermanentError, StartFailedError, TemporaryError
from controller.haproxy import launch
from controller.haproxy.answers import Processes, parse_info, parse_processes, parse_reload
from controller.haproxy.runtime import NoListenerError, ask_master, session
from controller.haproxy.validate import plain_words, rejected
from controller.places import runtime_socket_in

_LONGEST_SOCKET_PATH = 97
"""Bytes: HAProxy needs some of the 107 that Linux allows, for the name under which it prepares the socket."""
_POLL = 0.02
_LAST_WORDS_LIMIT = 5.0


class HAProxyProcess:
    """The HAProxy whose sockets are in ``run_dir`` and whose configuration is ``config``.

    ``terminate_on_reload``: workers from before a reload are ended at once, with the connections they still have.

    Raises:
        PermanentError: there is no such binary, or the path of the sockets is too long.
    """

    def __init__(
        self,
        binary: str | Path,
        *,
        config: Path,
        run_dir: Path,
        time_limit: float = 30.0,
        terminate_on_reload: bool = False,
    ) -> None:
        found = shutil.which(binary)
        if found is None:
            raise PermanentError(f"There is no HAProxy at {binary}")
        self.binary = Path(found).absolute()
        self.runtime_socket = _checked(runtime_socket_in(run_dir))
        self._master_socket = _checked(run_dir / "master.sock")
        self._config = config
        self._time_limit = time_limit
        self._terminate_on_reload = terminate_on_reload

    async def processes(self) -> Processes | None:
        """Return the processes there are; None when HAProxy does not run.

        Raises:
            TemporaryError: the master does not answer.
        """
        try:
            answer = await ask_master(self._master_socket, "show proc")
        except NoListenerError:
            return None
        return parse_processes(answer)

    async def alive(self) -> bool:
        """Tell whether HAProxy runs and has a worker."""
        processes = await self.processes()
        return processes is not None and processes.worker is not None

    async def old_workers(self) -> tuple[int, ...]:
        """Return the process ids of workers from before a reload that still serve connections."""
        processes = await self.processes()
        return () if processes is None else processes.old_workers

    async def start(self) -> None:
        """Start HAProxy and wait until it serves.

        Raises:
            TemporaryError: it ended, with its own last words, or does not serve within the time limit.
        """
        for stale in (self._master_socket, self.runtime_socket):
            stale.unlink(missing_ok=True)
        pid = await _launch(self._command_line())
        try:
            await self._serving(pid)
        except TemporaryError:
            await _end(pid, signal.SIGTERM, limit=_LAST_WORDS_LIMIT)
            raise

    async def reload(self) -> None:
        """Load the configuration anew without losing a connection (unless told so), and wait until it is served.

        Raises:
            LoadRefusedError: HAProxy could not load it; the worker there was goes on serving.
            TemporaryError: the master does not say how it went within the time limit.
        """
        answer = await ask_master(self._master_socket, "reload", limit=self._time_limit)
        result = parse_reload(answer)
        if not result.success:
            words = rejected(result.log, self._config).output
            raise LoadRefusedError(
                f"HAProxy does not load a configuration that it found good: {plain_words(words)}", output=words
            )
        await self._serving()
        if self._terminate_on_reload:
            for pid in await self.old_workers():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)

    async def stop(self, drain_seconds: float = 0.0) -> None:
        """End HAProxy: it takes no new connection, and those it has get ``drain_seconds`` to end by themselves."""
        processes = await self.processes()
        if processes is None:
            return
        for number, limit in ((signal.SIGUSR1, drain_seconds), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
            if await _end(processes.master, number, limit=limit):
                break
        self._master_socket.unlink(missing_ok=True)
        self.runtime_socket.unlink(missing_ok=True)

    def _command_line(self) -> list[str]:
        return [
            str(self.binary),
            *("-W", "-S", f"{self._master_socket},mode,600,level,admin"),
            *("-f", str(self._config)),
        ]

    async def _serving(self, pid: int | None = None) -> None:
        """Wait until the worker in force answers on the runtime socket, and none from before a reload.

        ``pid`` is the master, if it has just been started and may end.
        """
        try:
            async with asyncio.timeout(self._time_limit):
                while not await self._serves():
                    if pid is not None and not _runs(pid):
                        words = await self._last_words()
                        raise StartFailedError(f"HAProxy ended while it started: {words}", output=words)
                    await asyncio.sleep(_POLL)
        except TimeoutError as error:
            raise TemporaryError(f"HAProxy does not serve {self._time_limit:g} s after it was started") from error

    async def _serves(self) -> bool:
        with suppress(TemporaryError):
            processes = await self.processes()
            async with session(self.runtime_socket) as runtime:
                (answer,) = await runtime.ask("show info")
            return processes is not None and parse_info(answer).pid == processes.worker
        return False

    async def _last_words(self) -> str:
        """Return why HAProxy does not start, by letting it fail again.

        What it says goes where the controller's own output goes, for as long as it runs, so the first time nobody
        could listen.
        """
        process = await asyncio.create_subprocess_exec(
            *self._command_line(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(_LAST_WORDS_LIMIT):
                output, _ = await process.communicate()
        except TimeoutError:
            return "the second time it did not"
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
        return rejected(output.decode(errors="replace"), self._config).output


def _checked(socket: Path) -> Path:
    if len(os.fsencode(socket)) > _LONGEST_SOCKET_PATH:
        raise PermanentError(
            f"The path of HAProxy's socket exceeds {_LONGEST_SOCKET_PATH} bytes, choose a shorter folder: {socket}"
        )
    return socket


async def _launch(command_line: list[str]) -> int:
    """Start HAProxy as nobody's child and return its process id."""
    reading, writing = os.pipe()
    try:
        launcher = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", launch.__file__, str(writing)),
            *command_line,
            stdin=asyncio.subprocess.DEVNULL,
            pass_fds=(writing,),
        )
        status = await launcher.wait()
        if status:
            raise TemporaryError(f"Cannot start {command_line[0]}: the launcher ended with {status}")
        return int(os.read(reading, 32))
    finally:
        os.close(reading)
        os.close(writing)


async def _end(pid: int, number: signal.Signals, *, limit: float) -> bool:
    """Send a signal and tell whether the process has ended within ``limit`` seconds."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    with suppress(TimeoutError):
        async with asyncio.timeout(limit):
            while _runs(pid):  # noqa: ASYNC110 - it is nobody's child here: there is nothing to wait for
                await asyncio.sleep(_POLL)
    return not _runs(pid)


async def ended(pid: int | None, *, within: float) -> bool:
    """Wait for some seconds, or until a process has ended before that; tell whether it has. It is nobody's child here.

    None is no process: nothing ends but the time.
    """
    if pid is None:
        await asyncio.sleep(within)
        return False
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, end.set)
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await end.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return end.is_set()


def _runs(pid: int) -> bool:
    """Tell whether there is such a process, and not only its entry that init has yet to collect."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return status.rpartition(") ")[2][:1] not in {"Z", "X"}
