"""``python -m worker``: what ``console worker`` runs."""

from console.config import Settings
from worker.runner import run

run(Settings.from_env())
