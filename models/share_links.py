"""Share links: each opens a roadmap without an account."""

import peewee

from models.base import Identified, UtcDateTimeField
from models.roadmaps import Roadmap


class ShareLink(Identified):
    """Link whose token begins with its id. Deleting the row revokes it.

    `token_hashes`: SHA-256 of the token that opens it, in hexadecimal. Of a link that a version
    before 0.2.0 has signed: `signed`, and a hash by each key that was there, separated by spaces;
    null until the API has started.
    """

    roadmap = peewee.ForeignKeyField(Roadmap, on_delete="CASCADE")
    purpose = peewee.CharField(max_length=10)
    created_at = UtcDateTimeField()
    expires_at = UtcDateTimeField(null=True)
    # Readers see what its owner has completed
    shows_completion = peewee.BooleanField(default=False)
    token_hashes = peewee.TextField(null=True)

    class Meta:
        table_name = "secret_link"
