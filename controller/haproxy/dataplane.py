"""The `Dataplane` that is a real HAProxy: observes it, and applies plans to its files and to its running state.

The files follow one rule: on return of `apply` they say what HAProxy runs, so a crash, a restart or a reload by hand
leads back to the same state. They are therefore switched before runtime commands are sent, and back if HAProxy
does not load them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import structlog

from controller.changes import Applied, Change, Outcome, Plan, ReloadReason
from controller.errors import ConfigRejectedError, RuntimeRefusedError, TemporaryError
from controller.haproxy import answers
from controller.haproxy.commands import Command, Verdict, batches, commands
from controller.haproxy.generations import Generations
from controller.haproxy.lock import StateLock
from controller.haproxy.process import HAProxyProcess
from controller.haproxy.runtime import DEFAULT_LIMIT, NoListenerError, Session, session
from controller.haproxy.validate import validate
from models.observed import NOT_RUNNING, Observed
from render.files import Rendered

_log = structlog.get_logger(__name__)

_RETIREMENT_DELAYS = (0.0, 0.02, 0.1)
"""Seconds before each attempt to delete: HAProxy closes a server's idle connections a moment after maintenance."""


class HAProxyDataplane:
    """HAProxy below ``state_dir`` (files) and ``run_dir`` (sockets); starting it is left to the first plan.

    The configuration must say ``default-path config`` and ``stats socket unix@<runtime_socket> mode 600 level admin``.

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
    ) -> None:
        state, run = state_dir.absolute(), run_dir.absolute()
        self._generations = Generations(state / "haproxy")
        self.process = HAProxyProcess(binary, config=self._generations.config, run_dir=run, time_limit=load_limit)
        for folder in (state / "haproxy", run):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = StateLock(state)
        self._one_at_a_time = asyncio.Lock()
        self._command_limit = command_limit
        self._load_limit = load_limit
        self._observed: Observed | None = None

    @property
    def runtime_socket(self) -> Path:
        """The socket that the configuration has to name."""
        return self.process.runtime_socket

    def close(self) -> None:
        """Let go of HAProxy, which goes on serving, so that another controller may take it over."""
        self._lock.release()

    async def observe(self) -> Observed:
        """Ask HAProxy what it runs; `NOT_RUNNING` if there is none.

        Raises:
            TemporaryError: HAProxy is there but does not answer.
        """
        async with self._one_at_a_time:
            self._observed = await self._observe()
            return self._observed

    async def apply(self, plan: Plan, rendered: Rendered) -> Applied:
        """Write the files, then bring about what the plan says.

        If a runtime change is refused, all is reloaded. Retirements that connections hold up are returned as
        pending; they are tried again when a later plan holds them again.

        Raises:
            ConfigRejectedError: HAProxy refuses the files, which are put back; HAProxy serves as before, except
                that runtime changes before a refused one stay in force.
            TemporaryError: HAProxy does not answer, or does not start.
        """
        async with self._one_at_a_time:
            observed, self._observed = self._observed, None
            if plan.empty:
                return Applied(Outcome.NOOP)
            if plan.start:
                return await self._load(rendered, self.process.start, Applied(Outcome.START))
            if plan.reload_reasons:
                return await self._reload(rendered, plan.reload_reasons)
            if not (observed := observed or await self._observe()).running:
                raise TemporaryError("HAProxy has gone since the plan was made")
            return await self._change(plan, rendered, observed)

    async def _observe(self) -> Observed:
        try:
            async with session(self.runtime_socket, limit=self._command_limit) as runtime:
                return await _observed(runtime)
        except NoListenerError:
            if await self.process.processes() is None:
                return NOT_RUNNING
            raise

    async def _load(self, rendered: Rendered, load: Callable[[], Awaitable[None]], applied: Applied) -> Applied:
        """Write and check the files, have HAProxy load them, and put them back if it does not."""
        previous = self._generations.current()
        generation = await self._write(rendered)
        try:
            await validate(self.process.binary, self._generations.config_of(generation), limit=self._load_limit)
            self._generations.switch(generation)
            await load()
        except ConfigRejectedError:
            self._generations.switch(previous)
            self._generations.discard(generation)
            raise
        self._generations.prune()
        return applied

    async def _reload(self, rendered: Rendered, reasons: tuple[ReloadReason, ...]) -> Applied:
        return await self._load(rendered, self.process.reload, Applied(Outcome.RELOAD, reload_reasons=reasons))

    async def _change(self, plan: Plan, rendered: Rendered, observed: Observed) -> Applied:
        sequence = [command for change in plan.changes for command in commands(change, observed)]
        retirements = [(change, commands(change, observed)) for change in plan.retirements]
        previous = self._generations.current()
        self._generations.switch(await self._write(rendered))
        self._generations.prune()
        try:
            async with session(self.runtime_socket, limit=self._command_limit) as runtime:
                await _execute(runtime, sequence)
                pending = await _retire(runtime, retirements)
        except RuntimeRefusedError as refusal:
            _log.warning("HAProxy refused a runtime change, loading all anew", refusal=str(refusal))
            self._generations.switch(previous)
            return await self._reload(rendered, (ReloadReason.RUNTIME_REFUSED,))
        return Applied(Outcome.RUNTIME, pending=pending)

    async def _write(self, rendered: Rendered) -> int:
        return await asyncio.to_thread(self._generations.write, rendered.files())


async def _observed(runtime: Session) -> Observed:
    """Ask for everything in two round trips: the maps can be asked for when their names are known."""
    info, help_, map_list, backend_list, servers_state = await runtime.ask(
        "show info", "help", "show map", "show backend", "show servers state"
    )
    files = answers.parse_map_files(map_list)
    maps = await runtime.ask(*(f"show map {file}" for file in files))
    servers = answers.parse_servers(servers_state)
    return Observed(
        running=True,
        version=answers.parse_info(info).version,
        capabilities=answers.parse_help(help_),
        maps={file: answers.parse_map(entries) for file, entries in zip(files, maps, strict=True)},
        backends={name: servers.get(name, {}) for name in answers.parse_backends(backend_list)},
    )


async def _execute(runtime: Session, sequence: Sequence[Command]) -> None:
    """Send commands, batch by batch.

    Raises:
        RuntimeRefusedError: one was refused; what follows its batch was not sent.
    """
    for batch in batches(sequence):
        verdicts = _verdicts(batch, await runtime.execute(batch))
        if Verdict.PENDING in verdicts:
            raise RuntimeRefusedError("HAProxy put off a change that cannot wait")


async def _retire(runtime: Session, retirements: list[tuple[Change, list[Command]]]) -> tuple[Change, ...]:
    """Try to take away what is retired, a few times within a moment, and return what connections still hold up."""
    for delay in _RETIREMENT_DELAYS:
        if not retirements:
            break
        await asyncio.sleep(delay)
        retirements = [item for item in retirements if not await _retired(runtime, item[1])]
    return tuple(change for change, _ in retirements)


async def _retired(runtime: Session, sequence: list[Command]) -> bool:
    return Verdict.PENDING not in _verdicts(sequence, await runtime.execute(sequence))


def _verdicts(sequence: Sequence[Command], texts: Sequence[str]) -> list[Verdict]:
    verdicts = [command.verdict(text) for command, text in zip(sequence, texts, strict=True)]
    for command, text, verdict in zip(sequence, texts, verdicts, strict=True):
        if verdict is Verdict.REFUSED:
            raise RuntimeRefusedError(f"HAProxy refused {command.text!r}: {text}")
    return verdicts
