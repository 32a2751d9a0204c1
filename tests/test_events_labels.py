from __future__ import annotations

import pytest

from st_audioqa.errors import UserError
from st_audioqa.events import all_labels, ancestors, label, related, spoken_name
from st_audioqa.events.labels import slug

NAMES = [known.name for known in all_labels()]


def test_the_table_is_whole():
    assert [known.index for known in all_labels()] == list(range(527))
    assert len({known.mid for known in all_labels()}) == 527
    assert sum(known.in_355 for known in all_labels()) == 355


def test_label_by_name():
    bark = label("Bark")
    assert (bark.index, bark.mid, bark.in_355) == (75, "/m/05tny_", True)
    assert label("Bee, wasp, etc.").mid == "/m/01h3n"
    assert not label("Yip").in_355


def test_near_names_are_suggested():
    with pytest.raises(UserError, match=r"did you mean .*Bark"):
        label("Barkk")
    with pytest.raises(UserError):
        ancestors("Barkk")


@pytest.mark.parametrize(
    ("name", "above"),
    [
        ("Animal", set()),
        ("Bark", {"Dog", "Domestic animals, pets", "Animal"}),
        ("Speech", set()),  # "Human voice" is no label
        ("Techno", {"Electronic music", "Music"}),  # "Music genre" is hopped over
        (
            "Toot",
            {
                "Vehicle horn, car horn, honking",
                "Car",
                "Motor vehicle (road)",
                "Vehicle",
                "Alarm",
            },
        ),
    ],
)
def test_ancestors(name: str, above: set[str]):
    assert ancestors(name) == above


def test_no_label_is_its_own_ancestor():
    assert all(name not in ancestors(name) for name in NAMES)


def test_related():
    assert related("Bark", "Bark")
    assert related("Bark", "Dog")
    assert related("Animal", "Bark")
    assert not related("Bark", "Meow")
    assert not related("Bell", "Telephone bell ringing")


def test_spoken_names_are_unique_and_plain():
    spoken = [spoken_name(name) for name in NAMES]
    assert len(set(spoken)) == 527
    assert not [name for name in spoken if set(name) & set(",()/") or name != name.strip()]
    capitals = {word for name in spoken for word in name.split() if word != word.lower()}
    assert capitals == {
        "Africa",
        "Afrobeat",
        "America",
        "Asia",
        "Bollywood",
        "Carnatic",
        "Christian",
        "Christmas",
        "Eastern",
        "French",
        "Hammond",
        "Latin",
        "Middle",
    }


@pytest.mark.parametrize(
    ("name", "spoken"),
    [
        ("Bark", "bark"),
        ("Baby cry, infant cry", "baby cry"),
        ("Walk, footsteps", "footsteps"),
        ("French horn", "French horn"),
        ("Whimper (dog)", "dog whimper"),
        ("Whimper", "whimper"),
        ("Keyboard (musical)", "musical keyboard"),
        ("Roaring cats (lions, tigers)", "roaring cats"),
        ("Fire engine, fire truck (siren)", "fire engine siren"),
        ("Inside, small room", "small indoor room"),
    ],
)
def test_spoken_names(name: str, spoken: str):
    assert spoken_name(name) == spoken


def test_slugs_name_one_label_each():
    owners: dict[str, set[str]] = {}
    for name in NAMES:
        for text in (name, spoken_name(name)):
            owners.setdefault(slug(text), set()).add(name)
    assert all(len(labels) == 1 for labels in owners.values())
