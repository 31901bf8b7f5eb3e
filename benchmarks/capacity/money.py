"""What a month of it costs: the same bill as that of `roadmap cost`, of what the simulation says is needed."""

from benchmarks.capacity.needs import Needs
from cli.costs import prices
from cli.costs.bill import DAYS, Use, bill_of

PLATFORM = "Railway"
MONTHS = 12  # for which roadmaps have been kept
MILLION = 1e6


def use_of(needs: Needs) -> Use:
    """Of a month at the end of the first year. Commands inside of scripts are not told apart here."""
    return Use(needs.parts, needs.commands_a_month, 0.0, needs.storage_gb * MONTHS, needs.egress_gb)


def of_platform(needs: Needs) -> float:
    """USD, with the databases on the platform."""
    return bill_of(use_of(needs), prices.load().platforms[PLATFORM]).total


def of_model(needs: Needs, price: float) -> float:
    """For its answers, at this price of a million tokens."""
    minutes = DAYS * 24 * 60
    return needs.tokens_a_minute / needs.busiest * minutes / MILLION * price
