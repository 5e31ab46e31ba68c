"""``python -m worker [QUEUE …]``: what ``console worker`` runs."""

import sys

from console.config import Settings
from console.jobs import QUEUES
from worker.runner import run

run(Settings.from_env(), sys.argv[1:] or QUEUES)
