"""What opens a roadmap to whoever has it."""

import peewee

from models.base import Identified, UtcDateTimeField
from models.roadmaps import Roadmap


class SecretLink(Identified):
    """A link whose token is its id, signed. Without its row it opens nothing: so it is revoked."""

    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    purpose = peewee.CharField(max_length=10)
    created_at = UtcDateTimeField()
    expires_at = UtcDateTimeField(null=True)
