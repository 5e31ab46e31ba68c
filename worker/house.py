"""Open the house for a job, whoever runs it: our own worker has opened it before it forks, ``rq worker`` has not."""

from console import live
from console.app import open_house
from console.config import Settings
from console.evidence import store

_settings: list[Settings] = []


def opened() -> None:
    """Once per process; nothing when somebody opened the house already."""
    if not store.is_open():
        live.speak_through(settings().redis_url)
        open_house(settings())


def settings() -> Settings:
    """Those of the environment, read once; or those in use."""
    if not _settings:
        _settings.append(Settings.from_env())
    return _settings[0]


def use(settings: Settings) -> None:
    """Make ``settings`` the ones jobs see, whatever the environment says."""
    _settings[:] = [settings]


def forget() -> None:
    _settings.clear()
