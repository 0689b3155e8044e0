"""Harm done to the log and to files: verbs of scripts, as in `events`."""

import resource
import time

from kafka import KafkaAdminClient

from models.chance import query_id
from models.coding import encode, read
from models.messages import Label, Prediction, Product, SnapshotPart
from models.records import Outgoing
from service.feeds import read_products
from service.outputs import outputs_of
from service.reading import read_topic

POISON = (
    b"", b"\xc1", b"\x81\xa2id", b"{", b"[]", b'{"id": 7}', b'{"id": "", "title": ""}', b"\xff" * 2_000, b"[" * 5_000,
    b'{"id": "poison", "title": "x", "price": 1e999}', b"{}", b"\x80", b"\x81\xa2id\xc0",
)  # fmt: skip
NOBODY = SnapshotPart(
    learner="0" * 16, number=10**6, version=10**6, part=0, parts=2, digest="0" * 64, part_digest="0" * 64, data=b"x"
)
FROM_OUTSIDE = {
    "products": [None],
    "labels": [None, encode(Label(query="of nobody", annotator="poison", answers={}))],
    "snapshots": [encode(NOBODY)],
}
SPREAD = ("products", "predictions", "queries", "labels")  # topics of several partitions


def poison(stage, topic):
    """Put there what no program of ours would write."""
    stage.publish([Outgoing(topic, b"poison", value) for value in (*POISON, *FROM_OUTSIDE.get(topic, ()))])


def repeat(stage, topic):
    """Send everything on a topic again, in another order."""
    records = [Outgoing(topic, one.key, one.value) for one in read_topic(stage.reach.read, topic)]
    stage.rng.shuffle(records)
    stage.publish(records)


def early(stage, topic):
    """Answer products that nobody has scored yet: labels that come before their queries, most of them of none."""
    assert topic == "labels", f"early {topic}: only labels can be"
    scored = {read(Prediction, record).arrival for record in read_topic(stage.reach.read, "predictions")}
    products = (record for record in read_topic(stage.reach.read, "products") if record.key != b"poison")
    waiting = [record for record in products if record.arrival not in scored]
    assert waiting, "nothing waits to be scored: let the feed flow while the scorers are paused"
    truth = {product.id: labels for product, labels in read_products(stage.feed)}
    labels = []
    for record in waiting:
        known = truth[read(Product, record).id] or frozenset()
        answers = {name: name in known for name in outputs_of(stage.settings)}
        label = Label(query=query_id(stage.settings.stream, record.arrival), annotator="early", answers=answers)
        labels.append(Outgoing("labels", label.query.encode(), encode(label)))
    stage.publish(labels)


def partitions(stage, count):
    """Give the topics that are spread so many partitions."""
    _admin(stage, lambda admin: admin.create_partitions({stage.named(topic): int(count) for topic in SPREAD}))
    stage.reopen()


def delete(stage, topic):
    """Delete a topic with all that is in it."""
    _admin(stage, lambda admin: admin.delete_topics([stage.named(topic)]))
    stage.reopen()


def orphan(stage, name):
    """Kill it and start it again while partitions that it gave up for a newcomer belong to nobody yet.

    Where that is not seen within 10 s, the moment is any.
    """

    def cut(admin):
        deadline = time.monotonic() + 10.0
        while time.monotonic() < deadline and not _between_rounds(stage, admin):
            pass
        stage.kill(name)

    _admin(stage, cut)
    stage.start(name)


def _between_rounds(stage, admin):
    group, topic = stage.named(stage.settings.kafka.group), stage.named("products")
    told = admin.describe_groups([group])[group]
    parts = [
        part for one in told["members"] for part in (one["member_assignment"] or {}).get("assigned_partitions", ())
    ]
    owned = sum(len(part["partitions"]) for part in parts if part["topic"] == topic)
    return told["group_state"] == "Stable" and owned < stage.settings.log.partitions


def _admin(stage, act):
    admin = KafkaAdminClient(bootstrap_servers=stage.broker.servers)
    try:
        act(admin)
    finally:
        admin.close()


def fill(stage, name):
    """Let it write no file longer than the ledger is now, as if the disk were full; until its next start."""
    files = stage.settings.data_dir.glob("ledger.sqlite*")
    _, most = resource.prlimit(stage.alive[name].pid, resource.RLIMIT_FSIZE)
    longest = max(file.stat().st_size for file in files)
    resource.prlimit(stage.alive[name].pid, resource.RLIMIT_FSIZE, (longest, most))


def bar(stage, what):
    """Put something else where the checkpoints are: none can be written or read."""
    assert what == "checkpoints", f"bar {what}: only checkpoints can be"
    folder = stage.settings.data_dir / "checkpoints"
    folder.rename(folder.with_name("gone"))
    folder.write_text("no folder")


def clear(stage, what):
    """Take that away again; what was there before does not come back."""
    assert what == "checkpoints", f"clear {what}: only checkpoints can be"
    (stage.settings.data_dir / "checkpoints").unlink()


def truncate(stage, what):
    """Cut the newest checkpoint in half."""
    assert what == "checkpoint", f"truncate {what}: only the newest checkpoint can be"
    newest = max(stage.settings.data_dir.glob("checkpoints/model-*.safetensors"))
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
