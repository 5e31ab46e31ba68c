"""A network of its own for servers that refuse loopback: a bridge without ports, with one address, seen by nobody else."""

import os
import shutil
import subprocess
import sys

INTERFACE, HOST = "seats", "10.77.0.1"
SET_UP = (
    "ip link set lo up && ip link add {interface} type bridge && ip addr add {host}/24 dev {interface}"
    ' && ip link set {interface} up && exec "$@"'
)


class NamespaceMissing(Exception):
    """This machine gives us none; the message says why."""


def _entering(*command: str) -> list[str]:
    for needed in ("unshare", "ip"):
        if shutil.which(needed) is None:
            raise NamespaceMissing(f"{needed} is not installed (apt-get install util-linux iproute2)")
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    set_up = SET_UP.format(interface=INTERFACE, host=HOST)
    return ["unshare", "--net", *as_root, "sh", "-c", set_up, "sh", *command]


def run_inside(*arguments: str) -> str:
    """Run `python -m …` in there and return what it printed. Raises `NamespaceMissing`, CalledProcessError."""
    tried = subprocess.run(_entering("true"), capture_output=True, text=True)
    if tried.returncode:
        raise NamespaceMissing(f"no private network here: {tried.stderr.strip()}")
    done = subprocess.run(_entering(sys.executable, "-m", *arguments), stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout
