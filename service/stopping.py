"""When to stop asking: outputs shown to meet their targets are finished, and count again once they are not."""

from dataclasses import dataclass

from service.evidence import Evidence
from service.report import claim


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What every output is to reach; None is no target."""

    precision: float | None = None
    recall: float | None = None

    def met(self, evidence: Evidence) -> frozenset[str]:
        """Outputs shown to meet the targets in the newest epoch, all of them together at 95 % and at all times.

        Empty without targets: then nothing is ever good enough to stop.
        """
        epoch = evidence.epoch()
        if epoch is None or (self.precision is None and self.recall is None):
            return frozenset()
        return frozenset(claim(epoch, self.precision or 0.0, self.recall or 0.0).met)
