"""The reference in the documentation, made from the code: `python -m service.settings_table PAGE ...` renews pages."""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from typer.main import get_command

import service.cli_candidate
import service.cli_encoder
import service.cli_proof
import service.cli_report
import service.cli_trials  # noqa: F401 - each adds its commands
from service.cli import app
from service.model_settings import ModelSettings, bounds_of
from service.settings import PREFIX, Settings

KINDS: Final[Mapping[str, str]] = {
    "boolean": "`true`, `false`",
    "array": "list of names",
    "object": "table",
    "integer": "whole number",
    "number": "number",
    "string": "text",
}
MARKS: Final = re.compile(r"(<!-- (settings|commands) -->\n).*?(<!-- end -->)", re.DOTALL)

# The fields of the model's settings bear comments for those who read the learner; these are for those who set them.
MODEL: Final[Mapping[str, str]] = {
    "kind": "which model learns: our own, or a river classifier (see river.md)",
    "bits": "features are hashed to so many bits; more collide less and take more memory",
    "encoder": "a folder of `askance encoder learn`; or a pretrained encoder by folder or name, which needs the extra "
    "`encoders`; empty: none",
    "encoder_scale": "length of an embedding beside the hashed features, whose length is one",
    "names": "logit with which a product begins that says all of an output's name; 0: names mean nothing",
    "names_pace": "how readily answers move the weight of an output's name; 0: never",
    "encoder_names": "logits per unit of likeness between a product and an output's name, before any answer; 0: none, "
    "as with an encoder learnt from a feed",
    "members": "heads per output whose disagreement makes the chance; 1 has no doubts",
    "heads": "each member has a head per output of its `own`; or they share it through factors (BatchEnsemble)",
    "bootstrap": "each head sees each answer Poisson(1) times, so that heads differ; off: once",
    "joint": "one network for all outputs; off: one for each, which costs as many times the memory and the time",
    "width": "numbers that a feature is embedded in",
    "sketch": "numbers of the fixed random projection of a product that the network sees beside the embedding",
    "hidden": "units of the network's hidden layer",
    "prior": "standard deviation of the members' fixed random priors, in logits",
    "table_megabytes": "bound of the tables of features",
    "memory": "answered products remembered, to be learnt from again",
    "memory_positives": "positives remembered of each output besides",
    "memory_megabytes": "bound of that memory where outputs are many",
    "mix": "the network's share in the mean logit; the rest is the linear path's",
    "spread": "how far the members lie around that mean",
    "rarity": "features weigh by rarity (inverse document frequency); off: all alike",
    "even": "part of a feature's weight in the linear path that is the same for all outputs; the rest goes by how "
    "well it tells the output's positives; 1 switches that off",
    "cost": "inverse regularisation of the linear path: larger follows the answers more closely",
    "rehearsals": "remembered answers the linear path learns again per new one",
    "steps_per_lesson": "optimiser steps of the network per new answer",
    "batch": "answers in one optimiser step",
    "balanced": "share of a step's answers drawn from the outputs' positives in turn",
    "prior_bias": "logits start from how common the output is; false: from nothing",
    "logit_adjustment": "how often the logit of the prevalence is added in learning alone; 0 switches it off",
    "weights": "importance weights in training: none, clipped or full; the evidence always keeps them in full",
    "clip": "largest weight where clipped, relative to the mean",
    "rate_trunk": "learning rate of the shared trunk",
    "rate_heads": "learning rate of the heads",
    "rate_rows": "learning rate of the embeddings",
    "decay": "weight decay of the dense weights",
    "average": "how slowly the served weights follow the learner's, per step",
    "calibration": "`platt` fits scores to the newest answers; `none` leaves them, with thresholds of one half",
    "window": "newest answered products that scores are calibrated by",
    "refit": "answered products from one calibration to the next; fewer at first",
    "target": "what thresholds aim at: the best F1 of each output, `half`, or `precision`",
    "target_precision": "precision that thresholds promise, where that is the target",
    "river_classifier": "kind river: `logistic`, `chain`, or `module:factory` to import",
    "river_bits": "kind river: features are hashed to so many bits, which bound its size",
    "river_members": "kind river: copies of the classifier whose disagreement makes the chance",
    "river_rehearsals": "kind river: remembered answers learnt again per new one",
}


def settings_tables() -> Iterator[str]:
    """Lines of Markdown: a table for each group of settings."""
    schema = Settings.model_json_schema()
    groups = {name: one["$ref"].rpartition("/")[2] for name, one in schema["properties"].items() if "$ref" in one}
    yield from ("### Outside any group", "")
    yield from _table("", {name: one for name, one in schema["properties"].items() if name not in groups})
    for group, kind in groups.items():
        yield from (f"### {group}", "", schema["$defs"][kind]["description"], "")
        yield from _table(f"{group}.", schema["$defs"][kind]["properties"])


def _table(group: str, settings: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield from ("| setting | variable | default | allowed | meaning |", "| --- | --- | --- | --- | --- |")
    for name, one in settings.items():
        variable = PREFIX + f"{group}{name}".replace(".", "__").upper()
        meaning = one.get("description") or MODEL[name]
        allowed = _allowed(
            one, bounds_of(name, one["default"]) if group == "model." and one.get("type") != "boolean" else None
        )
        yield f"| `{group}{name}` | `{variable}` | {_default(one.get('default'))} | {allowed} | {meaning} |"
    yield ""


def _default(value: Any) -> str:
    if value is None:
        return "none"
    if value in ("", [], {}):
        return "empty"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _allowed(one: Mapping[str, Any], bounds: tuple[float, float] | None) -> str:
    one = next((kind for kind in one.get("anyOf", ()) if kind["type"] != "null"), one)
    if "enum" in one:
        return ", ".join(f"`{value}`" for value in one["enum"])
    least, most = bounds or (one.get("minimum"), one.get("maximum"))
    above = one.get("exclusiveMinimum")
    parts = [KINDS[one["type"]]]
    parts += [] if least is None else [f"from {least:,.10g}"]
    parts += [] if above is None else [f"above {above:,.10g}"]
    parts += [] if most is None or most >= 1e9 else [f"to {most:,.10g}"]
    return " ".join(parts)


def command_tables() -> Iterator[str]:
    """Lines of Markdown: for each command what it does, examples and options."""
    group: Any = get_command(app)
    for name, command in group.commands.items():
        words, _, examples = command.help.replace("\b", "").partition("Example")
        yield from (f"### askance {name}", "", " ".join(words.split()), "")
        yield from (f"    {line.strip()}" for line in examples.splitlines()[1:] if line.strip())
        yield from ("", "| option | meaning |", "| --- | --- |")
        for parameter in command.params:
            yield f"| {_option(parameter)} | {parameter.help or ''} |"
        yield ""


def _option(parameter: Any) -> str:
    value = parameter.metavar or parameter.name.upper()
    if parameter.param_type_name == "argument":
        return f"`{value}`"
    value = "" if parameter.is_flag else f" {value}"
    default = parameter.default
    said = "" if default is None or parameter.is_flag else f", default {getattr(default, 'value', default)}"
    return f"`{'`, `'.join(parameter.opts)}{value}`{'; required' if parameter.required else said}"


def renewed(page: str) -> str:
    """The page with what stands between its marks made anew."""
    made = {"settings": settings_tables, "commands": command_tables}
    return MARKS.sub(lambda found: found[1] + "\n" + "\n".join(made[found[2]]()) + found[3], page)


def unexplained() -> set[str]:
    """Settings of the model without an explanation here, and explanations of settings there are not."""
    return {field.name for field in fields(ModelSettings)} ^ MODEL.keys()


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")
