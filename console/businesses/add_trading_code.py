"""增开交易编码 (app manual, 2.1 to 2.8)."""

from .steps import EVERYTHING, Business, Desk, Record, SignInBy, Step, first_financial_code

ADD_TRADING_CODE = Business(
    code="add_trading_code",
    title="增开交易编码",
    sign_in_by=SignInBy.PHONE,
    submitted_title="增开交易编码申请已提交",
    steps=(
        Step("photos", "上传照片"),
        Step("profile", "个人基本资料"),
        Step(
            "exchanges",
            "交易所选择",
            vouches_for=frozenset({"profile"}),
            learns=frozenset({"first_financial_code"}),
            settles=Record.TRADING_CODES,
        ),
        Step("score_reports", "成绩报告单", when=first_financial_code),
        Step("reading", "阅读相关协议", vouches_for=frozenset({"exchanges"})),
        Step(
            "video",
            "视频验证",
            Desk.SEAT,
            vouches_for=frozenset({"photos", "profile", "exchanges", "score_reports"}),
        ),
        Step("certificate", "安装数字证书", vouches_for=frozenset({"photos"})),
        Step("signing", "签署协议", vouches_for=frozenset({"profile", "exchanges", "reading", "certificate"})),
        Step("review", "复核", Desk.REVIEWER, vouches_for=EVERYTHING),
    ),
)
