"""见证清单: what a witness has to see and hear, as data per business (V2, V6).

Wording follows the public rules on live video review of account openings: name and licence shown, recording agreed to, same person
as on the ID, original held up, own will, data confirmed, risks understood. ``say`` is for the witness, ``cue`` for the investor.
"""

from dataclasses import dataclass

from console.businesses import BUSINESSES
from console.evidence.models import Kind


@dataclass(frozen=True)
class Item:
    """``by_snapshot``: it counts only with a snapshot of one of these kinds; the others count with a moment of the recording.

    ``frame``: the investor's page draws a frame to hold the card into.
    """

    key: str
    title: str
    say: str
    cue: str
    by_snapshot: frozenset[Kind] = frozenset()
    frame: bool = False


def items_of(business_code: str) -> tuple[Item, ...]:
    """The items in the order of their keys 1 to 9."""
    return CHECKLISTS[business_code]


def _items(act: str, risk: Item) -> tuple[Item, ...]:
    return (
        Item(
            "name_shown",
            "已出示姓名、执业资格证号，投资者确认",
            "您好，我是{broker}的认证人员{witness}，执业资格证号 {licence}。屏幕上方的姓名和证号，您看到了吗？",
            "请核对屏幕上方认证人员的姓名和执业资格证号，并口头确认。",
        ),
        Item(
            "recording_agreed",
            "同意全程录音录像",
            "本次视频会全程录音录像，请问您是否同意？",
            "请口头回答是否同意全程录音录像。",
        ),
        Item(
            "same_person",
            "本人与证件照片为同一人",
            "请正对镜头，摘下口罩和帽子，我给您拍一张照片。",
            "请正对镜头，光线照在脸上，保持两秒。",
            frozenset({Kind.SNAPSHOT_FACE, Kind.SNAPSHOT_FULL}),
        ),
        Item(
            "id_original",
            "出示身份证原件，照片清晰、在有效期",
            "请出示身份证原件，先正面再反面，我来拍照核对。",
            "请把身份证放进方框，拿稳两秒，先正面后反面。",
            frozenset({Kind.SNAPSHOT_ID, Kind.SNAPSHOT_FULL}),
            frame=True,
        ),
        Item(
            "own_will",
            f"确认本人自愿{act}",
            f"请问{act}是您本人自愿办理的吗？有没有他人在旁提示或代办？",
            f"请口头回答{act}是否为您本人自愿。",
        ),
        Item(
            "told_identity",
            "姓名、证件号码由本人口述核对",
            "请说出您的姓名和身份证号码的后四位。",
            "请说出您的姓名和身份证号码后四位。",
        ),
        risk,
        Item(
            "data_matches",
            "填写信息与证件一致",
            "我与您核对填写的信息：姓名、住址、证件有效期，请听到有误时告诉我。",
            "认证人员正在核对您填写的信息，请稍候。",
        ),
        Item(
            "signature",
            "签名照清晰、为本人签名",
            "您上传的签名照片是您本人手写的吗？",
            "请口头回答签名照片是否为您本人手写。",
        ),
    )


_TRADING_RISK = Item(
    "knows_risks",
    "知晓期货交易风险",
    "期货交易实行保证金制度，亏损可能超过您投入的本金，您是否知晓？",
    "请口头回答是否知晓期货交易的风险。",
)
_ACCOUNT_RISK = Item(
    "knows_risks",
    "知晓变更后出入金以新账户为准",
    "变更后出入金只通过新登记的银行卡办理，您是否知晓？银行卡是您本人的吗？",
    "请口头回答是否知晓，银行卡是否为您本人所有。",
)
CHECKLISTS: dict[str, tuple[Item, ...]] = {
    "add_trading_code": _items("增开交易编码", _TRADING_RISK),
    "change_settlement_account": _items("修改结算账户", _ACCOUNT_RISK),
}
assert CHECKLISTS.keys() == BUSINESSES.keys(), "a business without a checklist"

TITLES: dict[str, str] = {item.key: item.title for items in CHECKLISTS.values() for item in items}
