"""What an investor may ask for, in the order of the business page (manuals, 2.1), and what is not open yet and why."""

from dataclasses import dataclass

from console.businesses import BUSINESSES
from console.businesses.steps import Business


@dataclass(frozen=True)
class Offer:
    """One line of the business page. ``closed``: why it cannot be chosen yet, and where to go instead."""

    code: str
    title: str
    hint: str
    icon: str
    closed: str = ""

    @property
    def business(self) -> Business | None:
        return BUSINESSES.get(self.code)


OFFERS = (
    Offer(
        "open_futures_account",
        "开立期货账户",
        "首次在本公司开户",
        "user-plus",
        "即将开放。现在可携带身份证和银行卡到营业部临柜办理。",
    ),
    Offer("add_trading_code", "增开交易编码", "增加交易所、金融或原油", "square-plus"),
    Offer("change_settlement_account", "修改结算账户", "更换、增加或删除银行卡", "credit-card"),
    Offer(
        "suitability_assessment",
        "适当性评估",
        "风险测评与专业投资者认定",
        "clipboard-text",
        "即将开放。现在可到营业部临柜评估，或拨打期货公司电话预约。",
    ),
    Offer(
        "agreement_download",
        "协议下载",
        "已签署的协议与回执",
        "file-download",
        "即将开放。现在可在“我的业务”查看办理结果，纸质副本请向营业部索取。",
    ),
)
