"""Who is at the demo broker, as ``seeds/`` says: what the seed fills in, the command line prints and the demo's pages tell."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .models import ROLE_TITLES, Role

SEEDS = Path(__file__).parent.parent / "seeds"
DEMO_PASSWORD = "witness-desk-demo"


def table(name: str) -> dict[str, Any]:
    return tomllib.loads((SEEDS / f"{name}.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class DemoSignIn:
    """One line of what to type at the staff's sign-in page, and what there is to do then."""

    role: str
    username: str
    password: str
    hint: str

    def __str__(self) -> str:
        return f"{self.role}  {self.username} / {self.password}  {self.hint}"


@dataclass(frozen=True)
class DemoInvestor:
    """One line of what to type at the portal: 修改结算账户 asks for the ID number, 增开交易编码 for the phone."""

    name: str
    id_no: str
    phone: str
    hint: str

    def __str__(self) -> str:
        return f"投资者  {self.name}  身份证 {self.id_no}  手机 {self.phone}  {self.hint}"


def _role_title(person: dict[str, Any]) -> str:
    return "、".join(ROLE_TITLES[Role(role)] for role in person["roles"])


BROKER = table("broker")
STAFF: list[dict[str, Any]] = table("staff")["staff"]
INVESTORS: list[dict[str, Any]] = table("investors")["investor"]
DEMO_BROKER_NO: str = BROKER["broker_no"]
DEMO_SIGN_INS = [DemoSignIn(_role_title(each), each["username"], DEMO_PASSWORD, each["hint"]) for each in STAFF]
DEMO_INVESTORS = [
    DemoInvestor(each["name"], each["id_no"], each["phone"], each["hint"]) for each in INVESTORS if "hint" in each
]
