"""An appointment as a file for calendars (RFC 5545): no name, no number of the case."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from icalendar import Alarm, Calendar, Event

from console.queues.appointments import EARLY
from console.queues.models import Appointment


def of(appointment: Appointment, page: str, at: datetime, reminder: timedelta) -> bytes:
    """``page``: the address where it can be changed. A changed appointment replaces the entry that was imported before."""
    event = Event()
    event.add("uid", f"appointment-{appointment.id}@{urlsplit(page).hostname}")
    event.add("sequence", appointment.changes)
    event.add("dtstamp", at)
    event.add("dtstart", appointment.slot_at)
    event.add("dtend", appointment.slot_at + timedelta(minutes=appointment.minutes))
    event.add("summary", f"视频验证预约（{appointment.branch.broker.name}）")
    early = EARLY // timedelta(minutes=1)
    event.add("description", f"请提前 {early} 分钟加入排队，身份证原件放在手边，周围安静、光线充足。")
    event.add("location", "期货互联网开户云，线上视频")
    event.add("url", page)
    event.add("status", "CONFIRMED")
    event.add_component(_alarm(reminder))
    calendar = Calendar()
    calendar.add("prodid", "-//Witness Desk//appointments//ZH")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    return calendar.to_ical()


def _alarm(before: timedelta) -> Alarm:
    alarm = Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", "视频验证预约")
    alarm.add("trigger", -before)
    return alarm
