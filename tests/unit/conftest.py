"""How much hypothesis draws, and roadmaps that are made sooner."""

import pytest
from hypothesis import settings

from roadmap.generation.catalogue.generator import CatalogueGenerator
from roadmap.generation.context import DesignBrief
from roadmap.plan.outline import Outline

# A busy machine is no failure. The daily suite draws a fifth of what `--long` does.
settings.register_profile("daily", deadline=None, max_examples=20)
settings.register_profile("long", deadline=None, max_examples=100)


def pytest_configure(config: pytest.Config) -> None:
    settings.load_profile("long" if config.getoption("--long") else "daily")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a track of the catalogue the first three concepts alone, where it does not matter how many
    there are: to make a roadmap takes a tenth of the time."""
    whole = CatalogueGenerator.outline

    def shortened(self: CatalogueGenerator, design: DesignBrief) -> Outline:
        made = whole(self, design)
        stage = made.stages[0]
        module = stage.modules[0]
        first = module.model_copy(update={"concepts": module.concepts[:3]})
        return made.model_copy(update={"stages": (stage.model_copy(update={"modules": (first,)}),)})

    monkeypatch.setattr(CatalogueGenerator, "outline", shortened)
