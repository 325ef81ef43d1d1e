"""The `Dataplane` that is a real HAProxy: observes it, and applies plans to its files and to its running state.

The files follow one rule: on return of `apply` they say what HAProxy runs, so a crash, a restart or a reload by hand
leads back to the same state. They are therefore switched before runtime commands are sent, and back if HAProxy
does not load them.
"""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from controller.changes import Applied, Change, MapChanged, Outcome, Plan, ReloadReason
from controller.errors import (
    ConfigRejectedError,
    LoadRefusedError,
    RuntimeRefusedError,
    TemporaryError,
    UnspeakableError,
)
from controller.haproxy import answers
from controller.haproxy.answers import Load, ServerStatistics
from controller.haproxy.commands import steps, waves
from controller.haproxy.conversation import converse
from controller.haproxy.generations import Generations, write_files
from controller.haproxy.lock import StateLock
from controller.haproxy.observing import observe
from controller.haproxy.process import HAProxyProcess
from controller.haproxy.runtime import DEFAULT_LIMIT, Session, read_all, session
from controller.haproxy.validate import validate
from controller.places import haproxy_in, internal_socket_in
from models.observed import NOT_RUNNING, Observed
from render import records
from render.files import CONFIG_FILE, Rendered

_BACKENDS, _SERVERS = 2, 4
_ALL_BUT_SERVERS = 1 | _BACKENDS
"""Kinds of rows in statistics (Management guide 9.3, ``show stat``): of frontends and backends, and of servers."""
_STATISTICS_LIMIT = 3.0
"""Seconds to wait for them: whoever scrapes wants to know that HAProxy hangs, and has other metrics to read."""
_RETIREMENT_DELAYS = (0.0, 0.02, 0.1)
"""Seconds before each attempt to delete: HAProxy closes a server's idle connections a moment after maintenance."""

_CHECK = "check-"
"""Begins the names of folders with files that HAProxy is only asked about."""
_CHECKS_AT_ONCE = 2
"""HAProxy has requests to answer meanwhile."""


class HAProxyDataplane:
    """HAProxy below ``state_dir`` (files) and ``run_dir`` (sockets); starting it is left to the first plan.

    The configuration must say ``default-path config`` and ``stats socket unix@<runtime_socket> mode 600 level admin``.
    With ``terminate_on_reload`` connections from before a reload end with it. ``on_load`` is called whenever HAProxy is
    about to load a configuration, which takes it a while.

    Raises:
        TemporaryError: another controller uses the same state folder.
        PermanentError: there is no such binary, or ``run_dir`` is too long for sockets.
    """

    def __init__(
        self,
        binary: str | Path,
        *,
        state_dir: Path,
        run_dir: Path,
        command_limit: float = DEFAULT_LIMIT,
        load_limit: float = 30.0,
        terminate_on_reload: bool = False,
        on_load: Callable[[], None] = lambda: None,
    ) -> None:
        state, run = state_dir.absolute(), run_dir.absolute()
        self._generations = Generations(haproxy_in(state))
        self.process = HAProxyProcess(
            binary,
            config=self._generations.config,
            run_dir=run,
            time_limit=load_limit,
            terminate_on_reload=terminate_on_reload,
        )
        for folder in (haproxy_in(state), run):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = StateLock(state)
        for left_behind in run.glob(f"{_CHECK}*"):
            shutil.rmtree(left_behind, ignore_errors=True)
        self._run = run
        self._one_at_a_time = asyncio.Lock()
        self._few_at_a_time = asyncio.Semaphore(_CHECKS_AT_ONCE)
        self._command_limit = command_limit
        self._load_limit = load_limit
        self._on_load = on_load

    @property
    def runtime_socket(self) -> Path:
        """The socket that the configuration has to name."""
        return self.process.runtime_socket

    @property
    def internal_socket(self) -> Path:
        """The socket that the configuration has to give to the controller alone."""
        return internal_socket_in(self._run)

    async def configuration(self) -> str:
        """Return the text of ``haproxy.cfg`` as HAProxy would load it now; it holds passwords.

        Raises:
            OSError: it cannot be read.
        """
        return await asyncio.to_thread(self._generations.config.read_text, "utf-8")

    async def statistics(self) -> str:
        """Return HAProxy's statistics as CSV (Management guide 9.1), half of it from one thread and half from another.

        Raises:
            TemporaryError: HAProxy does not answer.
        """
        others, servers = await asyncio.gather(*map(self._statistics, (_ALL_BUT_SERVERS, _SERVERS)))
        _, _, rows = servers.partition("\n")
        return f"{others}\n{rows}\n"

    async def statistics_of(self, backends: Sequence[str]) -> tuple[ServerStatistics, ...]:
        """Return what HAProxy tells of some backends and their servers; nothing of one that it does not have.

        Raises:
            TemporaryError: HAProxy does not answer.
        """
        async with session(self.runtime_socket, limit=min(self._command_limit, _STATISTICS_LIMIT)) as runtime:
            tables = await runtime.ask(*(f"show stat {name} {_BACKENDS | _SERVERS} -1" for name in backends))
        return tuple(row for table in tables for row in answers.parse_statistics(table))

    async def load(self) -> Load:
        """Return what HAProxy does now.

        Raises:
            TemporaryError: HAProxy does not answer.
        """
        async with session(self.runtime_socket, limit=min(self._command_limit, _STATISTICS_LIMIT)) as runtime:
            (answer,) = await runtime.ask("show info")
        return answers.parse_load(answer)

    async def stop(self, drain_seconds: float) -> None:
        """End HAProxy: it takes no new connection, and those it has get ``drain_seconds`` to end by themselves."""
        leaving = MapChanged(records.LOADED, {records.LEAVING: "yes"})
        with suppress(TemporaryError):
            async with session(self.runtime_socket, limit=self._command_limit) as runtime:
                await converse(runtime, [steps(leaving)])
        await self.process.stop(drain_seconds)

    async def _statistics(self, kinds: int) -> str:
        limit = min(self._command_limit, _STATISTICS_LIMIT)
        return await asyncio.to_thread(read_all, self.runtime_socket, f"show stat -1 {kinds} -1", limit=limit)

    def close(self) -> None:
        """Let go of HAProxy, which goes on serving, so that another controller may take it over."""
        self._lock.release()

    async def observe(self) -> Observed:
        """Ask HAProxy what it runs; `NOT_RUNNING` if there is none.

        Raises:
            TemporaryError: HAProxy is there but does not answer.
        """
        async with self._one_at_a_time:
            processes = await self.process.processes()
            return NOT_RUNNING if processes is None else await self._observe(processes.worker)

    async def apply(self, plan: Plan, rendered: Rendered) -> Applied:
        """Write the files, then bring about what the plan says.

        HAProxy is asked before it reloads whether it would, since what it says then can be redacted; not if the plan
        says that it was asked in parts. If a runtime change is refused, or cannot be said, all is reloaded.
        Retirements that connections hold up are returned as pending; they are tried again when a later plan holds them.

        Raises:
            ConfigRejectedError: HAProxy refuses the files, which are put back; HAProxy serves as before, except
                that runtime changes before a refused one stay in force.
            TemporaryError: HAProxy does not answer, or does not start, or the machine has no room for the files.
        """
        async with self._one_at_a_time:
            try:
                return await self._apply(plan, rendered)
            except OSError as error:
                self._generations.prune()
                raise _machine_refuses(error) from error

    async def check(self, rendered: Rendered) -> None:
        """Ask HAProxy whether it would load the files; nothing changes.

        Raises:
            ConfigRejectedError: it would not.
            TemporaryError: it does not say so in time, or the machine has no room for the files.
        """
        async with self._few_at_a_time:
            try:
                await self._check(rendered)
            except OSError as error:
                raise _machine_refuses(error) from error

    async def _check(self, rendered: Rendered) -> None:
        with tempfile.TemporaryDirectory(prefix=_CHECK, dir=self._run) as folder:
            await asyncio.to_thread(write_files, Path(folder), rendered.files())
            await validate(self.process.binary, Path(folder) / CONFIG_FILE, limit=self._load_limit)

    async def _observe(self, worker: int | None) -> Observed:
        pid, observed = await observe(self.runtime_socket, limit=self._command_limit)
        if pid != worker:
            raise TemporaryError("HAProxy is about to change its worker")
        return observed

    async def _apply(self, plan: Plan, rendered: Rendered) -> Applied:
        if plan.empty:
            return Applied(Outcome.NOOP)
        if plan.start:
            return await self._load(rendered, self.process.start, Applied(Outcome.START))
        if plan.reload_reasons:
            return await self._reload(rendered, plan)
        return await self._change(plan, rendered)

    async def _load(
        self, rendered: Rendered, load: Callable[[], Awaitable[None]], applied: Applied, *, checked: bool = False
    ) -> Applied:
        """Write and check the files, have HAProxy load them, and put them back if it does not."""
        previous = self._generations.current()
        generation = await self._write(rendered)
        self._on_load()
        try:
            if not checked:
                await validate(self.process.binary, self._generations.config_of(generation), limit=self._load_limit)
            self._generations.switch(generation)
            await load()
        except LoadRefusedError:
            self._generations.switch(previous)
            # The master may stand in the folder of what it could not load, and reloads nothing without one to stand in.
            self._generations.prune()
            raise
        except ConfigRejectedError:
            self._generations.switch(previous)
            self._generations.discard(generation)
            raise
        self._generations.prune()
        return applied

    async def _reload(self, rendered: Rendered, plan: Plan) -> Applied:
        applied = Applied(Outcome.RELOAD, reload_reasons=plan.reload_reasons)
        return await self._load(rendered, self.process.reload, applied, checked=plan.checked)

    async def _change(self, plan: Plan, rendered: Rendered) -> Applied:
        previous = self._generations.current()
        try:
            script = [[steps(change) for change in wave] for wave in waves(plan.changes)]
            async with session(self.runtime_socket, limit=self._command_limit) as runtime:
                self._generations.switch(await self._write(rendered))
                for conversations in script:
                    await converse(runtime, conversations)
                pending = await _retire(runtime, plan.retirements)
        except (RuntimeRefusedError, UnspeakableError) as refusal:
            self._generations.switch(previous)
            reloaded = await self._reload(rendered, Plan(reload_reasons=(ReloadReason.RUNTIME_REFUSED,)))
            return replace(reloaded, refusal=str(refusal))
        self._generations.prune()
        return Applied(Outcome.RUNTIME, pending=pending, commands=runtime.changes)

    async def _write(self, rendered: Rendered) -> int:
        return await asyncio.to_thread(self._generations.write, rendered.files())


def _machine_refuses(error: OSError) -> TemporaryError:
    where = f" ({error.filename})" if error.filename else ""
    return TemporaryError(f"Cannot write HAProxy's files, or run it: {error.strerror or error}{where}")


async def _retire(runtime: Session, retirements: tuple[Change, ...]) -> tuple[Change, ...]:
    """Try to take away what is retired, a few times within a moment, and return what connections still hold up."""
    for delay in _RETIREMENT_DELAYS:
        if not retirements:
            break
        await asyncio.sleep(delay)
        held_up = await converse(runtime, [steps(change) for change in retirements])
        retirements = tuple(change for change, is_held_up in zip(retirements, held_up, strict=True) if is_held_up)
    return retirements
