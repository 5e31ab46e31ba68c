"""What a page's script sends as JSON, checked before anything is done with it."""

import base64
import binascii
from typing import Any, TypeVar

from flask import request

from console.problem import BadPayload

T = TypeVar("T")


def asked(name: str, kind: type[T]) -> T:
    """One field of the JSON object that was sent. Raises BadPayload."""
    body: Any = request.get_json(silent=True)
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadPayload(name)
    return value


def asked_bytes(value: object, longest: int) -> bytes:
    """Base64 (RFC 4648) of at most ``longest`` bytes."""
    if not isinstance(value, str) or len(value) > longest * 2:
        raise BadPayload("base64")
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise BadPayload("base64") from error
