"""Every business we can take an application for. From these definitions come navigation, status, rework and screens."""

from .add_trading_code import ADD_TRADING_CODE
from .change_settlement_account import CHANGE_SETTLEMENT_ACCOUNT
from .steps import Business

BUSINESSES: dict[str, Business] = {b.code: b for b in (ADD_TRADING_CODE, CHANGE_SETTLEMENT_ACCOUNT)}
