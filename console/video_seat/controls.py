"""Microphones and cameras of the two sides: what a page reports of them, and what the other side is told."""

from enum import StrEnum

from sqlalchemy.orm import Session

from console.stamp import Stamp

from . import timeline
from .models import CallEventKind, VideoSession
from .timeline import Switch

SIDES = (timeline.INVESTOR, timeline.WITNESS)


class State(StrEnum):
    """``OFF``: the person turned it off; ``AWAY``: the phone paused it, the page is in the background; ``DEVICE``: it is not there."""

    ON = "on"
    OFF = "off"
    AWAY = "away"
    DEVICE = "device"


States = dict[Switch, State]
KINDS = {
    (Switch.MICROPHONE, False): CallEventKind.MUTED,
    (Switch.MICROPHONE, True): CallEventKind.UNMUTED,
    (Switch.CAMERA, False): CallEventKind.CAMERA_OFF,
    (Switch.CAMERA, True): CallEventKind.CAMERA_ON,
}


def of(call: VideoSession, side: str) -> States:
    """As this side was last heard to have them."""
    off = timeline.turned_off(call, side)
    return {each: State(off[each] or State.OFF) if each in off else State.ON for each in Switch}


def report(session: Session, call: VideoSession, side: str, states: States, stamp: Stamp) -> bool:
    """Write what changed; False: nothing did. Whoever calls holds the call."""
    before, changed = of(call, side), False
    for switch, state in states.items():
        if (before[switch] is State.ON) != (state is State.ON):
            why = {} if state is State.ON else {"why": state.value}
            changed |= (
                timeline.happened(session, call, KINDS[switch, state is State.ON], stamp.at, side, **why) is not None
            )
    return changed


def shown(call: VideoSession) -> dict[str, dict[str, str]]:
    """{investor: {microphone, camera}, witness: {…}} as both pages read it."""
    return {side: {switch.value: state.value for switch, state in of(call, side).items()} for side in SIDES}
