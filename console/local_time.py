"""The clock on the wall: brokers, their hours and their days are in Shanghai, whatever zone a process runs in."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

LOCAL = ZoneInfo("Asia/Shanghai")


def local_day(at: datetime) -> date:
    """The day it is there at ``at``."""
    return at.astimezone(LOCAL).date()


def midnight(at: datetime) -> datetime:
    """The beginning of that day."""
    return at.astimezone(LOCAL).replace(hour=0, minute=0, second=0, microsecond=0)
