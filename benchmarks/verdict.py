"""What a run has left in the log (read committed), the ledger and the checkpoints, compared with what was sent."""

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import torch

from models.chance import query_id
from models.changes import told
from models.coding import Malformed, read
from models.joining import Outcome
from models.messages import Prediction, Query, Rejection
from models.shipping import Receiver
from service.assembly import clients
from service.audit import audit
from service.halves import asking_of
from service.learners import encoders_of, rebuilt, restored
from service.ledger import Ledger
from service.reading import read_topic

CHANGES = (Outcome.APPLIED, Outcome.REPLACED, Outcome.DELETED)
LARGEST = 64_000_000


@dataclass(frozen=True)
class Verdict:
    """What holds, by name; the figures it follows from; what was found wrong."""

    holds: dict[str, bool]
    figures: dict[str, object]
    problems: list[str] = field(default_factory=list)

    @property
    def good(self):
        return all(self.holds.values())


def judge(settings, sent):
    """Judge a run whose processes have ended; `sent` are the ids of the good products, each sent once."""
    torch.set_num_threads(settings.learning.threads)
    read_log = clients(settings).read
    predictions = [message for _, message in messages(read_log, "predictions", Prediction)]
    rejections = [message for _, message in messages(read_log, "rejections", Rejection)]
    queries = [message for _, message in messages(read_log, "queries", Query)]
    labels = sum(1 for _ in read_topic(read_log, "labels"))
    with closing(Ledger(settings.data_dir, read_only=True)) as ledger:
        verdicts = [
            _predicted(predictions, sent),
            _asked(settings, predictions, queries),
            _audited(settings, read_log, rejections),
            _balanced(ledger, predictions, queries),
            _applied(ledger, queries, labels, Counter(one.topic for one in rejections)["labels"]),
            _learnt(settings, ledger, read_log),
        ]
    figures = {"sent": len(sent), "rejected": Counter(one.topic for one in rejections), "labels": labels}
    for one in verdicts:
        figures |= one.figures
    holds = {name: held for one in verdicts for name, held in one.holds.items()}
    return Verdict(holds, figures, [problem for one in verdicts for problem in one.problems][:30])


def messages(read_log, topic, kind):
    """The records of a topic that are messages, each with its message."""
    for record in read_topic(read_log, topic):
        try:
            yield record, read(kind, record, limit=LARGEST)
        except Malformed:
            continue


def _predicted(predictions, sent):
    arrivals = Counter(one.arrival for one in predictions)
    products = Counter(one.product for one in predictions)
    missing = sorted(set(sent) - set(products))
    repeated = sorted(name for counts in (arrivals, products) for name, n in counts.items() if n > 1)
    figures = {"predictions": len(predictions), "missing": len(missing), "repeated": len(repeated)}
    once = len(predictions) == len(sent) and not missing and not repeated
    problems = [f"not predicted: {missing[:5]}"] * bool(missing) + [f"predicted twice: {repeated[:5]}"] * bool(repeated)
    return Verdict({"every product predicted, none twice": once}, figures, problems)


def _asked(settings, predictions, queries):
    expected = Counter(query_id(settings.stream, one.arrival) for one in predictions if one.asked)
    issued = Counter(one.id for one in queries)
    wrong = sorted(name for name in expected | issued if expected[name] != issued[name])
    return Verdict(
        {"every query issued, none twice": not wrong},
        {"asked": sum(expected.values())},
        [f"{name}: asked {expected[name]} times, issued {issued[name]} times" for name in wrong[:5]],
    )


def _audited(settings, read_log, rejections):
    asking = asking_of(settings)
    found = audit(
        read_log, key=asking.key, stream=asking.stream, p_min=asking.p_min, group=settings.kafka.group
    )  # fmt: skip
    # What somebody else put among the queries is no decision of ours; that it was turned away is all there is to say.
    turned_away = {f"{one.topic}/{one.partition}/{one.offset}" for one in rejections}
    problems = [one for one in found.problems if one.partition(": ")[0] not in turned_away]
    return Verdict({"audit clean": not problems}, {"audited": found.arrivals}, problems[:5])


def _balanced(ledger, predictions, queries):
    balance, totals = ledger.balance(), ledger.traffic.totals()
    sums = balance["issued"] == sum(n for name, n in balance.items() if name != "issued")
    told_of = (totals.arrivals, totals.asked) == (len(predictions), len(queries))
    holds = {
        "ledger balanced": sums and balance == ledger.recount() and balance["issued"] == len(queries),
        "every tally counted once": told_of,
        "sums of the evidence follow from the answers": all(
            ledger.evidence.checks(epoch.number) for epoch in ledger.evidence.epochs()
        ),
    }
    problems = [] if told_of else [f"tallies say {totals}, the log {len(predictions)} and {len(queries)}"]
    return Verdict(holds, {"balance": balance}, problems)


def _applied(ledger, queries, labels, rejected):
    outcomes = ledger.outcomes()
    wrong = []
    for query in queries:
        kept = ledger.answers(query.id)
        first = Counter(label.annotator for _, label, _, outcome in kept if outcome == Outcome.APPLIED)
        changes = sum(outcome in CHANGES for _, _, _, outcome in kept)
        taught = len(ledger.batches.taught_by(query.id))
        if max(first.values(), default=0) > 1 or taught > changes:
            wrong.append(f"{query.id}: {[outcome.value for *_, outcome in kept]}, learnt from {taught} times")
    accounted = sum(outcomes.values()) + rejected == labels
    holds = {"every label accounted for": accounted, "every label applied at most once": not wrong}
    problems = [] if accounted else [f"{labels} labels in the log; {rejected} rejected, in the ledger {outcomes}"]
    return Verdict(holds, {"outcomes": outcomes}, problems + wrong[:5])


def _learnt(settings, ledger, read_log):
    encoders = encoders_of(settings)
    live = restored(settings, ledger, encoders).learner
    digests = [live.digest(), rebuilt(settings, ledger, encoders).digest()]
    holds = {"rebuilt model the same": len(set(digests)) == 1 and live.version == ledger.batches.last()}
    received = Receiver().take(list(read_topic(read_log, "snapshots")))
    if received is not None:  # scorers and learner are apart
        (_, mine), (_, theirs) = told(live.snapshot()), told(received.snapshot)
        same = mine.keys() == theirs.keys() and all(np.array_equal(mine[name], theirs[name]) for name in mine)
        holds["shipped model the learner's"] = same and received.snapshot.version == live.version
    return Verdict(holds, {"digests": digests, "model": live.version})
