from __future__ import annotations

import pytest
from conftest import SMALL, small_recipe

from st_audioqa.errors import UserError
from st_audioqa.recipes import Recipe, bundled_recipes, load_recipe


def write(tmp_path, text):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    return str(path)


def test_every_bundled_recipe_loads_under_its_own_name():
    assert "demo" in bundled_recipes()
    for name in bundled_recipes():
        assert load_recipe(name).name == name


def test_the_demo_has_sixty_scenes_twelve_of_each_configuration():
    splits = load_recipe("demo").splits
    totals = {
        c: sum(split[c] for split in splits.values()) for c in ("S", "D", "SS", "SD", "DD")
    }
    assert set(totals.values()) == {12}
    assert set(splits) == {"train", "test"}


def test_small_has_two_hundred_thousand_questions_and_shares_no_path_much_in_test():
    for name in ("small", "small-mixed"):
        recipe = load_recipe(name)
        assert sum(sum(split.values()) for split in recipe.splits.values()) == 16_000
        assert sum(sum(most.values()) for most in recipe.questions.most.values()) == 200_000
        reuse = [recipe.renderer.reuse_in(split) for split in ("train", "validation", "test")]
        assert reuse == [8, 4, 2]


def test_the_paper_has_the_numbers_of_its_table_2():
    recipe = load_recipe("paper")
    train = recipe.questions.most["train"]
    assert [train[each] for each in "ABC"] == [216_000, 300_000, 218_000]
    assert recipe.splits["train"]["D"] == 100_000
    assert recipe.renderer.crossfade == "plain"


def test_reuse_is_one_number_or_one_per_split():
    assert small_recipe(renderer={"reuse": 4}).renderer.reuse_in("test") == 4
    of_train = small_recipe(
        splits={"train": {"S": 1}, "test": {"S": 1}}, renderer={"reuse": {"train": 8}}
    )
    assert of_train.renderer.reuse_in("train") == 8
    assert of_train.renderer.reuse_in("test") == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"renderer": {"reuse": True}},
        {"seed": "1"},
        {"splits": {"test": {"S": 1.0}}},
        {"placement": {"distance_m": ["0.3", 4]}},
        {"rooms": {"scenes_per_room": "4"}},
        {"placement": {"motions": [1]}},
        {"questions": {"sets": "extended"}},
        {"questions": {"unasked": [2]}},
    ],
)
def test_values_of_another_type_are_refused(changes):
    with pytest.raises(ValueError, match="valid"):
        Recipe.model_validate({**SMALL, **changes})


def test_an_unknown_recipe_suggests_near_names():
    with pytest.raises(UserError, match="did you mean demo"):
        load_recipe("dmo")


def test_a_missing_file_and_broken_toml_are_told(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        load_recipe(str(tmp_path / "none.toml"))
    with pytest.raises(UserError, match="not valid TOML"):
        load_recipe(write(tmp_path, "name = "))


def test_every_impossible_value_is_named(tmp_path):
    text = """
name = "mine"
seed = -1
[splits.test]
S = -3
[placement]
distance_m = [3.0, 2.0]
[renderer]
rir_duration_s = nan
gian_db = 2
"""
    with pytest.raises(UserError) as error:
        load_recipe(write(tmp_path, text))
    message = str(error.value)
    for key in (
        "seed",
        "splits.test.S",
        "distance_m",
        "renderer.rir_duration_s",
        "renderer.gian_db",
    ):
        assert key in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"splits": {"train": {"S": 1}}}, "named test"),
        ({"splits": {"test": {"S": 0}}}, "no scenes"),
        ({"placement": {"distance_m": [0.3, 6.0]}}, "below 5.0 m"),
        ({"name": "../up"}, "name"),
        ({"placement": {"listener_height_m": [1.1, float("inf")]}}, "listener_height_m"),
        ({"events": {"level_dbfs": -49.0}}, "at least -50"),
        ({"renderer": {"reuse": {"tset": 8}}}, "names tset"),
        ({"questions": {"most": {"tset": {"A": 8}}}}, "names tset"),
        ({"questions": {"min_horizontal_m": float("inf")}}, "min_horizontal_m"),
    ],
)
def test_rules_that_span_values(changes, message):
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate({**SMALL, **changes})


def test_the_hash_depends_on_every_value_and_on_nothing_else():
    assert small_recipe().hash == small_recipe().hash
    assert small_recipe(seed=6).hash != small_recipe().hash
    assert small_recipe(checks={"max_rir_step_db": 5.0}).hash != small_recipe().hash
