"""Which logins and keys are still good: known in this process, and refreshed beside the requests, which ask no server for it.

A login ends here at once when it is ended here, and within about a second when another process ended it.
"""

import hashlib
import threading
from collections import OrderedDict
from datetime import timedelta
from time import monotonic
from uuid import UUID

from core import clock
from core.background_refresh import BackgroundRefresh
from core.db import read_database_time, settings
from core.errors import Unauthenticated, Unavailable
from roadmap.accounts import api_keys, sessions
from roadmap.accounts.identity import Bearer, Login, Principal

OLDEST = 5.0  # seconds; a request that finds older knowledge, after a silence, waits for newer
PATIENCE = 2.0  # seconds
OVERLAP = timedelta(seconds=30)  # a commit may come later than its time says
KEY_SECONDS = 60.0  # for which a key that was looked up is known
MOST_KEYS = 10_000
NOTES_EVERY = 30.0  # seconds between two notes of who was seen
START_OVER = 3600.0  # seconds after which what has expired is forgotten


class RevocationCache:
    """`start()`, `check_...` for each request, `stop()`."""

    def __init__(self) -> None:
        self._lock, self._refreshing = threading.Lock(), threading.Lock()
        self._ended: set[UUID] = set()  # logins and keys
        self._known_until = clock.now()
        self._loaded_at = float("-inf")
        self._keys: OrderedDict[bytes, tuple[Bearer, float]] = (
            OrderedDict()
        )  # by hash, with when they were looked up
        self._seen: set[UUID] = set()
        self._used: set[UUID] = set()
        self._noted_at = monotonic()
        self._refresher = BackgroundRefresh(self._refresh, name="Standing")

    def start(self) -> None:
        self._refresher.start()

    def stop(self) -> None:
        self._noted_at = float("-inf")
        self._refresher.stop()

    def refresh(self) -> None:
        """For what was ended by this request. Raises Unavailable."""
        self._refresher.now()

    async def check_login(self, login: Login) -> None:
        """Raises Unauthenticated, Unavailable."""
        await self._be_current()
        if login.session_id in self._ended:
            raise Unauthenticated("The login has ended. Log in again.")
        self._seen.add(login.session_id)

    async def check_key(self, bearer: Bearer) -> None:
        """Raises Unauthenticated, Unavailable."""
        await self._be_current()
        expired = bearer.expires_at is not None and bearer.expires_at <= clock.now()
        if (
            expired or bearer.key_id in self._ended
        ):  # it may have been looked up before it was revoked, and kept after
            raise _no_key()
        self._used.add(bearer.key_id)

    def known_key(self, key: str) -> Bearer | None:
        """None when it has to be looked up."""
        bearer, at = self._keys.get(_digest(key), (None, 0.0))
        return bearer if monotonic() - at < KEY_SECONDS else None

    def look_up_key(self, key: str) -> Bearer:
        """Raises Unauthenticated, Unavailable."""
        bearer, at = api_keys.find(key), monotonic()
        if bearer is None:
            raise _no_key()
        with self._lock:
            self._keys[_digest(key)] = (bearer, at)
            if len(self._keys) > MOST_KEYS:
                self._keys.popitem(last=False)
        return bearer

    def check_still(self, principal: Principal) -> None:
        """For a request that has waited since it was checked. Raises Unauthenticated."""
        proof = principal.session_id or principal.key_id
        if proof is not None and self.has_ended(proof):
            raise Unauthenticated("The login or API key has ended meanwhile. Log in again.")

    def has_ended(self, *proofs: UUID | None) -> bool:
        """Whether one of these logins or keys is known to have ended. Quick, and for what goes on after it was checked."""
        self._refresher.ask()
        return any(proof in self._ended for proof in proofs)

    async def _be_current(self) -> None:
        if not await self._refresher.at_most(OLDEST, patience=PATIENCE):
            raise Unavailable(
                "The database does not answer at the moment. Try again.", retry_after=2
            )

    def _refresh(self) -> None:
        with self._refreshing:  # one after the other: what one has found is not replaced by what another has read before
            now, over = read_database_time(), monotonic() - self._loaded_at > START_OVER
            since = (
                now - timedelta(seconds=settings.token_ttl_seconds)
                if over
                else self._known_until - OVERLAP
            )
            ended, revoked = sessions.ended_since(since), api_keys.revoked_since(since)
            with self._lock:
                self._ended = (set() if over else self._ended) | ended | revoked
                for digest in [
                    digest for digest, (bearer, _) in self._keys.items() if bearer.key_id in revoked
                ]:
                    del self._keys[digest]
            self._known_until = now
            if over:
                self._loaded_at = monotonic()
            if monotonic() - self._noted_at > NOTES_EVERY:
                self._note()

    def _note(self) -> None:
        seen, self._seen = self._seen, set()
        used, self._used = self._used, set()
        self._noted_at = monotonic()
        if seen:
            sessions.note_seen(seen)
        if used:
            api_keys.note_used(used)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _no_key() -> Unauthenticated:
    return Unauthenticated(
        "The API key is not valid: it was never made, has expired or was revoked."
    )


revocations = RevocationCache()
