"""Which model serves follows from the configuration and the choices in the ledger."""

from dataclasses import replace

from models.lessons import LearnerSettings
from service.model_settings import ModelSettings
from service.recipes import Choice, difference, recipe, serving, unpack

CONFIGURED, OTHER, THIRD = (recipe(ModelSettings(cost=cost), 0) for cost in (1.0, 2.0, 3.0))


def served(*recipes, configured=CONFIGURED):
    choices = [Choice(batch, one, CONFIGURED, 0.0) for batch, one in enumerate(recipes)]
    return [one.settings.cost for one in serving(configured, choices)]


def test_what_is_promoted_serves_and_what_served_before_comes_back():
    assert served() == [1.0]
    assert served(OTHER, THIRD) == [1.0, 2.0, 3.0]
    assert served(OTHER, THIRD, None) == [1.0, 2.0]
    assert served(OTHER, None, THIRD, None, None) == [1.0]


def test_promotions_count_under_the_configuration_they_were_made_under():
    assert served(OTHER, configured=THIRD) == [3.0]


def test_a_recipe_is_kept_as_what_differs_from_the_defaults():
    assert CONFIGURED.changes() == {"cost": 1.0}
    assert unpack(CONFIGURED.pack()) == CONFIGURED
    assert unpack(recipe(LearnerSettings(), 7).pack()) == recipe(ModelSettings(), 7)
    assert unpack(CONFIGURED._replace(since=5).pack()) == CONFIGURED._replace(since=5) != CONFIGURED


def test_two_models_differ_in_what_they_differ():
    assert difference(replace(CONFIGURED.settings, mix=0.5), OTHER.settings) == {"cost": 1.0, "mix": 0.5}
