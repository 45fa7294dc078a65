"""The figure of a plan."""

from __future__ import annotations

import pytest

from nercc_tune.reporting.plan_front import figure_plan
from nercc_tune.service.plan_record import Offer
from tests.reporting.panels import draw, is_inside, legend, marked, panels
from tests.service.plans import offer, service_plan

_OFFERS = (offer("coded tiny", agreement=0.95), offer("hedging"), offer("plain", p99_s=0.07, missed=("p99",)))


def test_offers_stand_at_their_workers_and_tail_and_the_chosen_one_is_ringed() -> None:
    axes = panels(draw(figure_plan(service_plan(*_OFFERS))))[0]
    for each in _OFFERS:
        assert marked(axes, each.kind) == [(float(each.workers), 1e3 * each.worth.tails_s["p99"].mean)]
    assert marked(axes, "chosen") == marked(axes, "coded tiny")
    assert "the goal, 50 ms" in legend(figure_plan(service_plan(*_OFFERS)))


def test_what_was_given_up_early_is_left_out() -> None:
    axes = panels(draw(figure_plan(service_plan(*_OFFERS))))[0]
    assert sum(line.get_label() == "tried" for line in axes.lines) == 2 * len(_OFFERS)


@pytest.mark.parametrize("offers", [_OFFERS, _OFFERS[2:], ()])
def test_everything_lies_within_the_figure(offers: tuple[Offer, ...]) -> None:
    figure = draw(figure_plan(service_plan(*offers)))
    assert is_inside(figure)
    assert bool(marked(panels(figure)[0], "chosen")) == (len(offers) == len(_OFFERS))
