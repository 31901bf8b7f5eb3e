"""A track is added as docs/ARCHITECTURE.md says, in a copy, and keeps every rule of tracks.

Its contents are those of a built-in track: the rules of form do not read them.
"""

import shutil
from pathlib import Path

from tests.documents.recipes import Copy, places

TESTS = "tests/unit/roadmap/generation/"
FOUND = """
from roadmap.generation.catalogue.generator import find_tracks
print(*(track.id for track in find_tracks("Become a beekeeper")))
"""


def test_the_recipe_adds_a_track(tmp_path: Path) -> None:
    tracks, goals, hosts, page = places("A track")
    copy, own = Copy(tmp_path, [tracks, goals, hosts, page]), f"{tracks}beekeeping/"
    model = Path(tmp_path, tracks, "databases")
    shutil.copytree(model, tmp_path / own)
    points = (model / "track.toml").read_text("utf-8").partition("[match.points]\n")[2]
    head = f"{own}track.toml"
    copy.replace(head, 'id = "databases"\nposition = 7', 'id = "beekeeping"\nposition = 9')
    copy.replace(head, 'title = "Database engineer"', 'title = "Beekeeper"')
    copy.replace(head, points.partition("\n\n")[0], "bees = 5\nintent = 1")
    copy.replace(f"{own}zh-Hans/track.toml", 'title = "数据库工程师"', 'title = "养蜂人"')
    copy.insert(f"{tracks}words.toml", "database = [", 'bees = ["bees", "beekeeper", "养蜂"]\n')
    copy.insert(f"{goals}tuned.tsv", "A/B testing and sql", "A beekeeper of a town\tbeekeeping\n")
    copy.insert(f"{goals}held_out.tsv", "Arduino and ESP32", "Keep bees on a roof\tbeekeeping\n")
    copy.insert(hosts, '"12factor.net"', '"bees.example.org" = "Beekeepers"\n')
    row = "| `beekeeping` | Beekeeper | 25 | 163 | English, Chinese |\n"
    copy.insert(page, "| `databases` | Database engineer", row)

    rules = (f"{TESTS}test_catalogue_tracks.py", f"{TESTS}test_catalogue_goals.py")
    copy.run("-m", "pytest", "-p", "no:xdist", *rules)
    assert copy.run("-c", FOUND) == "beekeeping\n"
