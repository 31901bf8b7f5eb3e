"""Cache of ended logins and revoked keys, refreshed in the background.

No request asks a server for them. A login that this process ends is known to have ended at once,
and one that another process ends within about a second.
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

OLDEST = 5.0  # seconds; a request that finds an older state waits for a refresh
PATIENCE = 2.0  # seconds
OVERLAP = timedelta(seconds=30)  # a commit may come later than its time says
KEY_SECONDS = 60.0  # for which a key that was looked up is known
MOST_KEYS = 10_000
NOTES_EVERY = 30.0  # seconds between two updates of when logins and keys were used
START_OVER = 3600.0  # seconds after which expired logins and keys are dropped


NO_KEY = "The API key is unknown, expired or revoked. Use a valid key."


class RevocationCache:
    """Cache with `start()`, `check_...` for each request, and `stop()`."""

    def __init__(self) -> None:
        self._lock, self._refreshing = threading.Lock(), threading.Lock()
        self._ended: set[UUID] = set()  # logins and keys
        self._known_until = clock.now()
        self._loaded_at = float("-inf")
        # By hash, with the time of the lookup
        self._keys: OrderedDict[bytes, tuple[Bearer, float]] = OrderedDict()
        self._seen: set[UUID] = set()
        self._used: set[UUID] = set()
        self._noted_at = monotonic()
        self._refresher = BackgroundRefresh(self._refresh, name="Standing")
        self.start = self._refresher.start

    def stop(self) -> None:
        self._noted_at = float("-inf")
        self._refresher.stop()

    def refresh(self) -> None:
        """Refresh at once, for a login or key that this request ended. Raises Unavailable."""
        self._refresher.refresh_now()

    async def check_login(self, login: Login) -> None:
        """Raise Unauthenticated if the login has ended, or Unavailable."""
        await self._be_current()
        if login.session_id in self._ended:
            raise Unauthenticated("The login session has ended. Log in again.")
        self._seen.add(login.session_id)

    async def check_key(self, bearer: Bearer) -> None:
        """Raise Unauthenticated if the key has expired or was revoked, or Unavailable."""
        await self._be_current()
        expired = bearer.expires_at is not None and bearer.expires_at <= clock.now()
        if expired or bearer.key_id in self._ended:
            raise Unauthenticated(NO_KEY)
        self._used.add(bearer.key_id)

    def known_key(self, key: str) -> Bearer | None:
        """Return a key that was looked up lately, or None."""
        bearer, at = self._keys.get(_digest(key), (None, 0.0))
        return bearer if monotonic() - at < KEY_SECONDS else None

    def look_up_key(self, key: str) -> Bearer:
        """Look up a key in the database. Raises Unauthenticated, Unavailable."""
        bearer, at = api_keys.find(key), monotonic()
        if bearer is None:
            raise Unauthenticated(NO_KEY)
        with self._lock:
            self._keys[_digest(key)] = (bearer, at)
            if len(self._keys) > MOST_KEYS:
                self._keys.popitem(last=False)
        return bearer

    def check_still(self, principal: Principal) -> None:
        """Raise Unauthenticated if the principal's login or key has ended since it was checked."""
        proof = principal.session_id or principal.key_id
        if proof is not None and self.has_ended(proof):
            raise Unauthenticated(
                "The login session or API key has ended. Log in again, or use a valid key."
            )

    def has_ended(self, *proofs: UUID | None) -> bool:
        """Whether one of these logins or keys is known to have ended. Asks no server."""
        self._refresher.request()
        return any(proof in self._ended for proof in proofs)

    async def _be_current(self) -> None:
        if not await self._refresher.is_recent(OLDEST, patience=PATIENCE):
            raise Unavailable("The database does not respond. Try again later.", retry_after=2)

    def _refresh(self) -> None:
        with self._refreshing:  # so that no refresh replaces the result of a later one
            now, over = read_database_time(), monotonic() - self._loaded_at > START_OVER
            since = (
                now - timedelta(seconds=settings.token_ttl_seconds)
                if over
                else self._known_until - OVERLAP
            )
            ended, revoked = sessions.ended_since(since), api_keys.revoked_since(since)
            with self._lock:
                self._ended = (set() if over else self._ended) | ended | revoked
                for digest, (bearer, _) in [*self._keys.items()]:
                    if bearer.key_id in revoked:
                        del self._keys[digest]
            self._known_until = now
            if over:
                self._loaded_at = monotonic()
            if monotonic() - self._noted_at <= NOTES_EVERY:
                return
            seen, self._seen = self._seen, set()
            used, self._used = self._used, set()
            self._noted_at = monotonic()
            if seen:
                sessions.note_seen(seen)
            if used:
                api_keys.note_used(used)


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


revocations = RevocationCache()
