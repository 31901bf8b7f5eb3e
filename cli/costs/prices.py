"""Prices of providers.

They are in prices.json beside this file, or in another file of the same form.
"""

from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field

from cli.costs.measured import UsageModel

FILE = Path(__file__).with_suffix(".json")

Money = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Date = Annotated[date, Field(strict=True)]  # such as 2026-01-31, and no number of seconds


class Provider(UsageModel):
    """Provider, whose prices were read at `source` on the day `seen`."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    seen: Date
    source: Text


class Platform(Provider):
    """Platform that bills use by the second, not instances by their size.

    `memory` is the price of a GB (10^9 bytes) and month, `cores` of a vCPU and month, `storage` of
    a GB and month, `egress` of a GB. `plans` are minimum prices of a month by name; use counts
    towards them.
    """

    memory: Money
    cores: Money
    storage: Money
    egress: Money
    plans: dict[Text, Money] = Field(default_factory=dict)


class RedisByCommand(Provider):
    """Redis that is billed by command: `commands` is the price of a hundred thousand.

    They are those of clients and, with `inside_scripts`, also those that scripts call.
    """

    commands: Money
    inside_scripts: bool = False


class Prices(UsageModel):
    """Prices by the names of the providers."""

    platforms: Annotated[dict[Text, Platform], Field(min_length=1, max_length=20)]
    redis: Annotated[dict[Text, RedisByCommand], Field(max_length=20, default_factory=dict)]

    def redis_of(self, platform: Platform) -> dict[str, RedisByCommand]:
        """Return those with the currency of the platform, by name: others do not compare."""
        return {
            name: each for name, each in self.redis.items() if each.currency == platform.currency
        }

    def of(self, platform: str) -> dict[str, Provider]:
        """Return all providers in the bills of a platform, by name; names do not collide."""
        chosen = self.platforms[platform]
        found: dict[str, Provider] = {platform: chosen}
        for name, each in self.redis_of(chosen).items():
            own = name
            while own in found:
                own = f"Redis of {own}"
            found[own] = each
        return found


def load(file: Path = FILE) -> Prices:
    """Return the prices of a file. Raises OSError, or ValueError for another form."""
    return Prices.model_validate_json(file.read_bytes())
