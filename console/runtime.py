"""How this process runs things beside each other, whichever of the two ways it was started in.

The web process runs on eventlet (``console/wsgi.py`` registers it here); tests, scripts and the RQ worker run on
threads. Everything else asks this module and knows neither.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Runtime:
    """``async_mode`` is what Flask-SocketIO calls the two ways: ``eventlet`` or ``threading``."""

    async_mode: str
    spawn: Callable[..., Any]
    sleep: Callable[[float], None]
    offload: Callable[..., Any]


def _spawn_thread(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> threading.Thread:
    thread = threading.Thread(target=fn, args=args, kwargs=kwargs, daemon=True)
    thread.start()
    return thread


def _call(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return fn(*args, **kwargs)


THREADS = Runtime("threading", _spawn_thread, time.sleep, _call)
_current = [THREADS]


def use(runtime: Runtime) -> None:
    """Called once, at the very start of a process."""
    _current[0] = runtime


def async_mode() -> str:
    return _current[0].async_mode


def spawn(fn: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
    """Run ``fn`` beside the caller. It handles its own errors: nobody waits for it."""
    _current[0].spawn(fn, *args, **kwargs)


def sleep(seconds: float) -> None:
    """Wait and let the others run."""
    _current[0].sleep(seconds)


def offload(fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run CPU work (a password hash) where it does not stop everybody else, and return its result or raise its error.

    ``fn`` runs in another OS thread: hand it plain values, never a database session.
    """
    result: R = _current[0].offload(fn, *args, **kwargs)
    return result
