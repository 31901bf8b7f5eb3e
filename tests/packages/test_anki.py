"""A deck is imported by Anki's own package, and imported again after a change."""

import json
import subprocess
import venv
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from core import clock
from roadmap.exchange.formats.anki import deck_of
from roadmap.exchange.import_validation import RoadmapFile
from tests.portables import FIRST, whole

ANKI = "anki~=26.9.3"
IMPORT = """
import json, sys
from anki.collection import Collection, ImportAnkiPackageOptions, ImportAnkiPackageRequest

found, collection = [], Collection(sys.argv[1])
for path in sys.argv[2:]:
    options = ImportAnkiPackageOptions(with_scheduling=False)
    request = ImportAnkiPackageRequest(package_path=path, options=options)
    log = collection.import_anki_package(request).log
    notes = [collection.get_note(note) for note in collection.find_notes("")]
    decks = sorted(deck.name for deck in collection.decks.all_names_and_ids())
    fields = sorted(note["Explanation"] for note in notes)
    found.append([len(log.new), len(log.updated), decks, fields])
cards = [card for note in notes for card in note.cards()]
print(json.dumps([found, len(cards), cards[0].question(), collection.fix_integrity()[1]]))
"""


@pytest.mark.long
def test_anki_imports_a_deck_and_its_next_version(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--only-binary", ":all:", ANKI]
    subprocess.run(install, check=True)
    document = whole()
    quiz = document["concepts"][FIRST]["contents"]["quiz"]["body"]
    files = []
    for explanation in ("It is gluten.", "It changed."):
        quiz["questions"][0]["explanation"] = explanation
        files.append(tmp_path / f"{len(files)}.apkg")
        deck = deck_of(RoadmapFile.model_validate(document), UUID(int=5))
        files[-1].write_bytes(deck)
        clock.travel(timedelta(minutes=1))  # Anki takes what is newer
    command = [python, "-c", IMPORT, tmp_path / "collection.anki2", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (first, second), cards, question, is_whole = json.loads(done.stdout)
    decks = ["Bread", "Bread::01 Begin", "Default"]
    explanations = ["Both do.", "Both do.", "It is gluten.", "It is gluten."]
    assert first == [4, 0, decks, explanations]
    assert second == [0, 4, decks, sorted([*explanations[:3], "It changed."])]
    assert (cards, is_whole) == (4, True)
    assert "<li>Gluten</li>" in question
