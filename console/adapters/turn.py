"""Credentials for a TURN relay that are good for minutes, as coturn's ``use-auth-secret`` checks them.

The name is ``<expiry>:<who>`` (expiry in Unix seconds), the password the base64 of HMAC-SHA1 over the name with the secret that
only we and the relay know (draft-uberti-behave-turn-rest-00). Nothing is kept on either side.
"""

import base64
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any


def credentials(urls: Sequence[str], secret: str, ttl: timedelta, who: str, now: datetime) -> dict[str, Any]:
    """One entry of ``iceServers`` for ``who``; it ends ``ttl`` after ``now``, a relayed call under way goes on."""
    name = f"{int((now + ttl).timestamp())}:{who}"
    digest = hmac.digest(secret.encode(), name.encode(), "sha1")
    return {"urls": list(urls), "username": name, "credential": base64.b64encode(digest).decode()}
