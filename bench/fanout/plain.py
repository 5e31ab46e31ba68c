"""`python -m bench.fanout.plain`: our own web process, telling its browsers as Flask-SocketIO does by itself (no console/broadcast.py)."""

import sys

from console import wsgi  # patches first

from console import broadcast  # isort: skip

broadcast.use = lambda server, websocket_class: False

if __name__ == "__main__":
    sys.exit(wsgi.main())
