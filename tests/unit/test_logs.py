import io
import json
import logging
import math

import numpy as np
import pytest
import structlog

from models.joining import Outcome
from models.messages import Reason
from service import logs
from service.learn import Learnt
from service.score import Scored


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def restored():
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_lines_are_json_where_nobody_watches():
    stream = io.StringIO()
    logs.configure(stream)
    structlog.get_logger("service.loop").info("scored", arrivals=3)
    line = json.loads(stream.getvalue())

    assert line.pop("at").endswith("Z")
    assert line == {"event": "scored", "level": "info", "logger": "service.loop", "arrivals": 3}


def test_a_line_begins_with_when_how_grave_where_and_what():
    stream = io.StringIO()
    logs.configure(stream)
    structlog.get_logger("service.loop").info("scored", arrivals=3)

    assert list(json.loads(stream.getvalue())) == ["at", "level", "logger", "event", "arrivals"]


def test_lines_are_for_people_on_a_terminal():
    stream = Terminal()
    logs.configure(stream)
    structlog.get_logger().info("scored", arrivals=3)

    assert not stream.getvalue().startswith("{")
    assert "scored" in stream.getvalue()


@pytest.mark.parametrize(
    ("stream", "form", "json_lines"), [(Terminal(), "json", True), (io.StringIO(), "console", False)]
)
def test_the_form_can_be_chosen(stream, form, json_lines):
    logs.configure(stream, form=form)
    structlog.get_logger().info("scored")

    assert stream.getvalue().startswith("{") == json_lines


def test_lines_of_libraries_take_the_same_form():
    stream = io.StringIO()
    logs.configure(stream)
    logging.getLogger("kafka.conn").warning("lost %s", "broker", extra={"node": 1})
    line = json.loads(stream.getvalue())

    assert (line["event"], line["logger"], line["level"], line["node"]) == ("lost broker", "kafka.conn", "warning", 1)


def test_the_chatter_of_libraries_is_left_out():
    stream = io.StringIO()
    logs.configure(stream)
    logging.getLogger("kafka.conn").info("connecting")

    assert stream.getvalue() == ""


def test_lines_below_the_level_are_left_out():
    stream = io.StringIO()
    logs.configure(stream, level="warning")
    structlog.get_logger().info("scored")
    structlog.get_logger().warning("late")

    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["late"]


def test_any_value_makes_one_line_of_json():
    stream = io.StringIO()
    logs.configure(stream)
    structlog.get_logger().info(
        "odd", nan=math.nan, array=np.arange(2), number=np.float64(0.5), thing=object, text="two\nlines", raw=b"\xff"
    )
    line = json.loads(stream.getvalue(), parse_constant=pytest.fail)

    assert stream.getvalue().count("\n") == 1
    assert (line["nan"], line["array"], line["number"], line["text"]) == (None, [0, 1], 0.5, "two\nlines")


def test_an_exception_stays_on_its_line():
    stream = io.StringIO()
    logs.configure(stream)
    try:
        int("no number")
    except ValueError:
        structlog.get_logger().exception("failed")

    assert stream.getvalue().count("\n") == 1
    assert json.loads(stream.getvalue())["exception"].endswith("'no number'")


def test_configuring_twice_does_not_double_the_lines():
    stream = io.StringIO()
    logs.configure(stream)
    logs.configure(stream)
    structlog.get_logger().info("once")

    assert stream.getvalue().count("\n") == 1


def test_the_line_of_a_scored_batch_is_complete():
    result = Scored(
        outgoing=(),
        arrivals=2,
        asked=1,
        rejected={("products", Reason.TOO_LARGE): 1},
        chances=np.array([0.25, 0.75]),
        positives={"a": 1},
        model=3,
        policy="iwal",
        target=0.1,
        scale=1.0,
        output_scales={},
        seconds={"decode": 0.12345678},
    )

    assert logs.scored(result) == {
        "arrivals": 2,
        "asked": 1,
        "rejected": {"products/too_large": 1},
        "mean_chance": 0.5,
        "target": 0.1,
        "scale": 1.0,
        "model": 3,
        "policy": "iwal",
        "seconds": {"decode": 0.123457},
    }


def test_the_line_of_a_learnt_batch_is_complete():
    result = Learnt(
        outgoing=(),
        queries=1,
        outcomes={Outcome.APPLIED: 2},
        ignored={"not_asked": 1},
        rejected={},
        delays=(1.0,),
        batch=4,
        lessons=5,
        steps=1,
        evaluated=7,
        states={"issued": 1},
        model=3,
        seconds={"join": 0.5},
    )

    assert logs.learnt(result) == {
        "queries": 1,
        "labels": {"applied": 2},
        "ignored": {"not_asked": 1},
        "rejected": {},
        "batch": 4,
        "lessons": 5,
        "steps": 1,
        "evaluated": 7,
        "states": {"issued": 1},
        "model": 3,
        "seconds": {"join": 0.5},
    }
