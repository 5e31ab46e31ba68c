"""How personal data looks on a screen until somebody gives a reason to see it (LOOK: masked by default)."""


def masked_id(value: str | None) -> str:
    """3101********1234"""
    return f"{value[:4]}{'*' * (len(value) - 8)}{value[-4:]}" if value and len(value) > 8 else "*" * len(value or "")


def masked_phone(value: str | None) -> str:
    """138****8000"""
    return f"{value[:3]}****{value[-4:]}" if value and len(value) >= 8 else "*" * len(value or "")


def masked_card(value: str | None) -> str:
    """**** 1234"""
    return f"**** {value[-4:]}" if value and len(value) >= 8 else "****"


def masked_name(value: str | None) -> str:
    """周*晴, 王*"""
    if not value:
        return ""
    return value[0] + "*" * (len(value) - 2) + value[-1] if len(value) > 2 else value[0] + "*"


def masked_address(value: str | None) -> str:
    """The first six characters, then stars."""
    return f"{value[:6]}******" if value else ""
