"""Children that do not outlive the process that started them, even when it is killed with ``kill -9``.

Linux tells a process when its parent ends (``prctl(2)``, ``PR_SET_PDEATHSIG``). Elsewhere nothing happens: there the
parent stops its children only when it ends in an orderly way.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # found before any fork


def end_with(parent: int, how: signal.Signals = signal.SIGTERM) -> None:
    """In a fresh child: have the kernel send ``how`` when ``parent`` ends.

    The wish survives ``exec`` and is not inherited by the child's own children. The kernel looks at the *thread* that
    forked: a parent that starts children from a thread must keep that thread.
    """
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, int(how))
    if os.getppid() != parent:  # it ended before we could say so
        os.kill(os.getpid(), how)
