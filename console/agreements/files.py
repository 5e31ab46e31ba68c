"""Files on disk into the register: the command line's import."""

from collections.abc import Iterable
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from console.people.models import Broker
from console.stamp import Stamp

from .importing import BadFile, canonical, heading
from .models import AgreementVersion, Purpose
from .service import BadRegister, import_version


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
