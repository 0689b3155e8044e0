"""What commands ask of the service, heeded: candidates begin and end, the model before comes back."""

from typing import Final

import structlog

from service.challenges import Challenge, Kind, Outcome, Request, Wish
from service.ledger import Ledger
from service.recipes import Choice, Recipe, serving

log = structlog.get_logger("promotion")

ROLLED_BACK: Final = "model rolled back"


def served(ledger: Ledger, configured: Recipe) -> tuple[Recipe, ...]:
    """What serves, last, after what served before it."""
    return serving(configured, ledger.challenges.choices())


def forgetting(ledger: Ledger, serves: Recipe) -> Recipe:
    """What serves, but for learning from answers of after this moment alone."""
    return serves._replace(since=ledger.batches.last() + 1)


def try_afresh(ledger: Ledger, most: int, now: float) -> None:
    """Ask for a candidate that forgets, for so many answers, unless one is tried or asked for. Inside a transaction."""
    configured = ledger.challenges.configured()
    tried = any(one.kind is Kind.CANDIDATE for one in ledger.challenges.running())
    asked = any(request.what is Wish.START for request in ledger.challenges.requests())
    if configured is not None and not tried and not asked:
        wanted = forgetting(ledger, served(ledger, configured)[-1])
        ledger.challenges.ask(Wish.START, wanted, now, most)


def heed(ledger: Ledger, configured: Recipe, *, savings: bool, now: float) -> bool:
    """Do in the ledger what was asked, end what had its time, and have savings measured; say if anything changed.

    Args:
        ledger: with at least one batch.
        configured: what the configuration says.
        savings: whether they are to be measured, with the model that serves.
        now: seconds since 1970.

    """
    requests = ledger.challenges.requests()
    if not requests and not _amiss(ledger, configured, savings=savings):
        return False
    with ledger.transaction():
        for one in filter(_spent, ledger.challenges.running()):
            ledger.challenges.end(one.number, Outcome.DROPPED, ledger.batches.last())
            log.info("candidate_dropped", candidate=one.number, answers=one.contrasts[0].answers)
        for request in requests:
            _heed(ledger, configured, request, now)
            ledger.challenges.heeded(request)
        serves = served(ledger, configured)[-1]
        for one in ledger.challenges.running():
            if one.against != serves or (one.kind is Kind.SAVINGS and not savings):
                outcome = Outcome.STOPPED if one.against == serves else Outcome.OVERTAKEN
                ledger.challenges.end(one.number, outcome, ledger.batches.last())
        if _amiss(ledger, configured, savings=savings):
            ledger.challenges.start(Kind.SAVINGS, serves, serves, now)
    return True


def _amiss(ledger: Ledger, configured: Recipe, *, savings: bool) -> bool:
    """Whether a challenge runs that should not, or savings are not measured that should be."""
    serves, running = served(ledger, configured)[-1], ledger.challenges.running()
    measured = any(one.kind is Kind.SAVINGS for one in running)
    return measured != savings or any(one.against != serves or _spent(one) for one in running)


def _spent(one: Challenge) -> bool:
    return one.most is not None and bool(one.contrasts) and one.contrasts[0].answers >= one.most


def _heed(ledger: Ledger, configured: Recipe, request: Request, now: float) -> None:
    candidate = next((one for one in ledger.challenges.running() if one.kind is Kind.CANDIDATE), None)
    batch, stack = ledger.batches.last(), served(ledger, configured)
    if request.what is Wish.START and request.recipe is not None and candidate is None and request.recipe != stack[-1]:
        wanted = request.recipe
        number = ledger.challenges.start(Kind.CANDIDATE, wanted, stack[-1], now, request.most)
        log.info("candidate_started", candidate=number, model=wanted.changes(), seed=wanted.seed, since=wanted.since)
    elif request.what is Wish.STOP and candidate is not None:
        ledger.challenges.end(candidate.number, Outcome.STOPPED, batch)
        log.info("candidate_stopped", candidate=candidate.number)
    elif request.what is Wish.BACK and len(stack) > 1:
        ledger.challenges.choose(Choice(batch, None, configured, now))
        ledger.evidence.open_epoch(ledger.batches.outputs(), ROLLED_BACK, now)
        log.info("rolled_back", batch=batch, model=stack[-2].changes(), seed=stack[-2].seed, since=stack[-2].since)
    else:
        log.warning("request_passed_over", what=request.what.value, why="it was done already, or no longer can be")
