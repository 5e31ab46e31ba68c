"""Every table, imported: what a migration or a whole-database check has to know."""

from console.agreements import models as agreements
from console.cases import models as cases
from console.certificates import models as certificates
from console.counter import models as counter
from console.evidence import models as evidence
from console.people import models as people
from console.quality import models as quality
from console.queues import models as queues
from console.queues import promises
from console.review import models as review
from console.video_seat import models as video_seat

__all__ = [
    "agreements",
    "cases",
    "certificates",
    "counter",
    "evidence",
    "people",
    "promises",
    "quality",
    "queues",
    "review",
    "video_seat",
]
