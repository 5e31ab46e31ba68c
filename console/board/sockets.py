"""/board: the boards listen to the queues and seats of the branches that their readers serve."""

from flask_socketio import join_room

from console import live
from console.access import my_staff, on_socket_staff
from console.db import reading
from console.people.branches import served_branches
from console.people.models import Role


@live.socketio.on("connect", namespace=live.BOARD)
@on_socket_staff(Role.SUPERVISOR, Role.ADMIN)
def connect(auth: object = None) -> None:
    with reading() as session:
        served = served_branches(session, my_staff())
    for branch in served:
        join_room(live.branch_room(branch.id))
