"""What a page's script sends as JSON, checked before anything is done with it."""

import base64
import binascii
from typing import Any, TypeVar

from flask import request

from console.problem import Problem

T = TypeVar("T")


class BadAsk(Problem):
    """A field is missing or of another kind: an old page, or no page of ours."""

    status, code = 422, "bad_request"
    text = "页面内容已过期，请刷新后重试。"


def asked(name: str, kind: type[T]) -> T:
    """One field of the JSON object that was sent. Raises BadAsk."""
    body: Any = request.get_json(silent=True)
    value = body.get(name) if isinstance(body, dict) else None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise BadAsk(name)
    return value


def asked_bytes(value: object, longest: int) -> bytes:
    """Base64 (RFC 4648) of at most ``longest`` bytes."""
    if not isinstance(value, str) or len(value) > longest * 2:
        raise BadAsk("base64")
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise BadAsk("base64") from error
