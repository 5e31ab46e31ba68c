"""The packet path of the media node is compiled from its own typed Python (mypyc), where a C compiler is at hand.

Without one the same modules run as they are, at some half more of the cost. Everything else about the package: setup.cfg.
"""

from mypyc.build import mypycify
from setuptools import setup

PACKET_PATH = ["assembly", "clock", "datagrams", "ebml", "leg", "port", "recorder", "rtp", "slots", "streams", "webm"]

compiled = mypycify(
    [
        "--config-file=",  # ours names folders that are not looked at here
        "--ignore-missing-imports",
        "--follow-imports=silent",
        *(f"worker/media/{name}.py" for name in PACKET_PATH),
    ],
    opt_level="3",
    debug_level="0",
    group_name="worker_media",
)
for extension in compiled:
    extension.optional = True

setup(ext_modules=compiled)
