"""Which SMS adapter this instance uses, and the outbox of the development one."""

from datetime import UTC, datetime

from console.adapters.sms import DevelopmentSms, HttpSms, SmsSender
from console.config import Settings
from console.db import transaction
from console.people.models import OutgoingSms


def sender(settings: Settings, *, wait: bool = False) -> SmsSender:
    """``wait``: for a job, whose process ends with it."""
    if settings.sms == "development":
        return DevelopmentSms(_keep)
    return HttpSms(settings.sms_url, settings.sms_key, wait=wait)


def _keep(phone: str, text: str) -> None:
    with transaction() as session:
        session.add(OutgoingSms(phone=phone, text=text, at=datetime.now(UTC)))
