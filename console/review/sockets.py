"""/review: the reviewers' pages listen to the tasks of the branches they serve."""

from flask_socketio import join_room
from sqlalchemy import select

from console import live
from console.access import my_staff, on_socket_staff
from console.db import reading
from console.people.models import Branch, Role


@live.socketio.on("connect", namespace=live.REVIEW)
@on_socket_staff(Role.REVIEWER, Role.SUPERVISOR)
def connect(auth: object = None) -> None:
    staff = my_staff()
    with reading() as session:
        ids = session.scalars(select(Branch.id).where(Branch.broker_id == staff.broker_id))
        served = [branch_id for branch_id in ids if staff.serves(branch_id)]
    for branch_id in served:
        join_room(live.branch_room(branch_id))
