"""修改结算账户 (web manual, 2.1 to 2.7)."""

from .steps import EVERYTHING, Business, Desk, Record, SignInBy, Step, needs_certificate

CHANGE_SETTLEMENT_ACCOUNT = Business(
    code="change_settlement_account",
    title="修改结算账户",
    sign_in_by=SignInBy.ID_NUMBER,
    submitted_title="修改结算账户申请已提交",
    steps=(
        Step("photos", "上传照片"),
        Step("bank_card", "银行卡照片上传", settles=Record.SETTLEMENT_ACCOUNTS),
        Step("certificate_check", "证书检测", learns=frozenset({"holds_certificate"})),
        Step("video", "视频验证", Desk.SEAT, needs_certificate, vouches_for=frozenset({"photos", "bank_card"})),
        Step("certificate", "安装数字证书", when=needs_certificate, vouches_for=frozenset({"photos"})),
        Step("signing", "签署协议", vouches_for=frozenset({"bank_card", "certificate"})),
        Step("review", "复核", Desk.REVIEWER, vouches_for=EVERYTHING),
    ),
)
