"""Messages between this house and another system that both can prove: HMAC-SHA256 over time and body (RFC 2104).

Headers: ``X-Timestamp`` (seconds since 1970) and ``X-Signature`` = hex HMAC-SHA256(key, timestamp + "." + body).
"""

import hashlib
import hmac
from collections.abc import Mapping

FRESH = 300  # seconds that two clocks may be apart; an older message is a replay


def headers(key: bytes, body: bytes, now: float) -> dict[str, str]:
    """What goes with ``body``; ``now`` in seconds since 1970."""
    moment = str(int(now))
    return {"Content-Type": "application/json", "X-Timestamp": moment, "X-Signature": _signature(key, moment, body)}


def is_genuine(key: bytes, body: bytes, told: Mapping[str, str], now: float) -> bool:
    """Whether whoever sent ``body`` with these headers has the key, and did so just now."""
    moment, signature = told.get("X-Timestamp", ""), told.get("X-Signature", "")
    if not (moment.isascii() and moment.isdecimal() and len(moment) < 12) or abs(now - int(moment)) > FRESH:
        return False
    return hmac.compare_digest(_signature(key, moment, body).encode(), signature.encode())


def _signature(key: bytes, moment: str, body: bytes) -> str:
    return hmac.new(key, moment.encode() + b"." + body, hashlib.sha256).hexdigest()
