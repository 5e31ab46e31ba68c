"""Files on disk into the register: the command line's import, and the demo broker's own texts."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from console.people.models import Broker
from console.stamp import Stamp

from .importing import BadFile, canonical, heading
from .models import AgreementVersion, Purpose
from .service import BadRegister, import_version

DEMO = Path(__file__).parent.parent / "seeds" / "agreements"


@dataclass(frozen=True)
class Entry:
    """How one file is registered; its ``code`` is the name of the file."""

    code: str
    title: str
    purpose: Purpose
    businesses: tuple[str, ...] = ()


DEMO_ENTRIES = (
    Entry("privacy_policy", "隐私政策", Purpose.PRIVACY),
    Entry("certificate_undertaking", "数字证书安全责任书", Purpose.UNDERTAKING),
    Entry("trading_code_notice", "交易所交易编码申请须知", Purpose.READ, ("add_trading_code",)),
    Entry("online_service_rules", "网上交易服务规则", Purpose.READ, ("add_trading_code",)),
    Entry("client_notice", "客户须知", Purpose.SIGN, ("add_trading_code",)),
    Entry("brokerage_contract", "期货经纪合同", Purpose.SIGN, ("add_trading_code",)),
    Entry("risk_disclosure", "期货交易风险说明书", Purpose.SIGN, ("add_trading_code",)),
    Entry("settlement_account_request", "修改结算账户申请书", Purpose.SIGN, ("change_settlement_account",)),
    Entry("notice_low_first", "适当性告知（C1、C2 第一次）", Purpose.NOTICE),
    Entry("notice_low_second", "适当性告知（C1、C2 第二次）", Purpose.NOTICE),
    Entry("notice_c3_first", "适当性告知（C3 第一次）", Purpose.NOTICE),
    Entry("notice_c3_second", "适当性告知（C3 第二次）", Purpose.NOTICE),
)


def import_demo(session: Session, broker: Broker, stamp: Stamp) -> list[AgreementVersion]:
    """The invented texts of the demo broker. Again: nothing changes."""
    return [
        import_version(
            session,
            broker,
            code=entry.code,
            title=entry.title,
            purpose=entry.purpose,
            businesses=entry.businesses,
            source=(DEMO / f"{entry.code}.md").read_bytes(),
            source_name=f"{entry.code}.md",
            stamp=stamp,
            position=position,
        )
        for position, entry in enumerate(DEMO_ENTRIES)
    ]


def import_files(
    session: Session,
    broker_no: str,
    paths: Iterable[Path],
    *,
    code: str | None,
    title: str | None,
    purpose: Purpose,
    businesses: Iterable[str] | None,
    stamp: Stamp,
) -> list[AgreementVersion]:
    """Each file a version. Without ``code`` the name of the file is the code, without ``title`` its first heading is the title.

    Raises BadFile or BadRegister at the first one that cannot be; the caller's transaction then keeps none.
    """
    broker = session.scalar(select(Broker).where(Broker.broker_no == broker_no))
    if broker is None:
        raise BadRegister(broker_no, text=f"没有编号为 {broker_no} 的期货公司。")
    chosen, made = list(paths), []
    if len(chosen) > 1 and (code or title):
        raise BadRegister(code, text="一次导入多份时不能指定代码和标题：代码取文件名，标题取文件的一级标题。")
    for path in chosen:
        source = path.read_bytes()
        named = title or heading(canonical(source, path.name))
        if not named:
            raise BadFile(path.name, "没有一级标题。请在文件开头写上标题，或用 --title 指定。")
        made.append(
            import_version(
                session,
                broker,
                code=code or path.stem.replace("-", "_"),
                title=named,
                purpose=purpose,
                businesses=businesses,
                source=source,
                source_name=path.name,
                stamp=stamp,
            )
        )
    return made
