"""Banks that keep futures settlement accounts, and how a card number tells its bank and its own mistakes."""

BANKS = (
    "中国工商银行",
    "中国农业银行",
    "中国银行",
    "中国建设银行",
    "交通银行",
    "招商银行",
    "中信银行",
    "上海浦东发展银行",
    "兴业银行",
    "中国民生银行",
    "中国光大银行",
    "平安银行",
    "华夏银行",
    "广发银行",
    "中国邮政储蓄银行",
)
PREFIXES = {  # of card numbers (ISO/IEC 7812 issuer identification numbers); the longest that fits counts
    "622202": "中国工商银行",
    "622208": "中国工商银行",
    "621226": "中国工商银行",
    "622848": "中国农业银行",
    "622845": "中国农业银行",
    "95599": "中国农业银行",
    "621660": "中国银行",
    "621661": "中国银行",
    "456351": "中国银行",
    "622700": "中国建设银行",
    "621700": "中国建设银行",
    "436742": "中国建设银行",
    "622260": "交通银行",
    "622262": "交通银行",
    "622588": "招商银行",
    "622580": "招商银行",
    "621483": "招商银行",
    "622690": "中信银行",
    "622696": "中信银行",
    "622521": "上海浦东发展银行",
    "622518": "上海浦东发展银行",
    "622908": "兴业银行",
    "622909": "兴业银行",
    "622622": "中国民生银行",
    "622615": "中国民生银行",
    "622660": "中国光大银行",
    "622155": "平安银行",
    "622298": "平安银行",
    "622630": "华夏银行",
    "622568": "广发银行",
    "622188": "中国邮政储蓄银行",
    "621098": "中国邮政储蓄银行",
}
SHORTEST, LONGEST = 15, 19  # digits


def passes_luhn(number: str) -> bool:
    """The check digit of ISO/IEC 7812-1 annex B."""
    doubled = (2 * int(digit) if place % 2 else int(digit) for place, digit in enumerate(reversed(number)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def is_card_number(number: str) -> bool:
    return number.isascii() and number.isdigit() and SHORTEST <= len(number) <= LONGEST and passes_luhn(number)


def bank_of(number: str) -> str | None:
    """The bank that a card number names, if we know its prefix."""
    fitting = [prefix for prefix in PREFIXES if number.startswith(prefix)]
    return PREFIXES[max(fitting, key=len)] if fitting else None
