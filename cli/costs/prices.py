"""What providers ask for: prices.json beside this file, or one of the same form that somebody has written."""

from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import Field

from cli.costs.measured import UsageModel

FILE = Path(__file__).with_suffix(".json")

Money = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1, max_length=200)]
Date = Annotated[date, Field(strict=True)]  # of JSON 2026-01-31 is one, and no number of seconds


class Provider(UsageModel):
    """`seen` is when its prices were read at `source`."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    seen: Date
    source: Text


class Platform(Provider):
    """Bills what is used, each second: `memory` a GB (10^9 bytes) and month, `cores` a vCPU and month, `storage` a GB and month,
    `egress` a GB. `plans` are what is paid each month at least, by name; use counts towards it. Who bills instances by their size
    does not fit.
    """

    memory: Money
    cores: Money
    storage: Money
    egress: Money
    plans: dict[Text, Money] = Field(default_factory=dict)


class RedisByCommand(Provider):
    """Bills `commands`: a hundred thousand of them, those of clients and, with `inside_scripts`, those that scripts call, too."""

    commands: Money
    inside_scripts: bool = False


class Prices(UsageModel):
    """By the names of the providers."""

    platforms: Annotated[dict[Text, Platform], Field(min_length=1, max_length=20)]
    redis: Annotated[dict[Text, RedisByCommand], Field(max_length=20, default_factory=dict)]

    def redis_of(self, platform: Platform) -> dict[str, RedisByCommand]:
        """By name, whose bills can be held against those of the platform: the others are in another currency."""
        return {
            name: each for name, each in self.redis.items() if each.currency == platform.currency
        }

    def of(self, platform: str) -> dict[str, Provider]:
        """All that bills of this platform rest on, by name; a Redis whose name is taken is called the Redis of it."""
        chosen = self.platforms[platform]
        found: dict[str, Provider] = {platform: chosen}
        for name, each in self.redis_of(chosen).items():
            own = name
            while own in found:
                own = f"Redis of {own}"
            found[own] = each
        return found


def load(file: Path = FILE) -> Prices:
    """Raises OSError, or ValueError when it is not of this form."""
    return Prices.model_validate_json(file.read_bytes())
