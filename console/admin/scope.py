"""Whose rows an administrator keeps: head office those of the broker, others those of their branches."""

from console.access import my_staff


def my_branches() -> list[int]:
    return [branch.id for branch in my_staff().branches]


def head_office() -> bool:
    return my_staff().head_office
