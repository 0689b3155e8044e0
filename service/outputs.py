"""The outputs: as the settings name them, and as the ledger has them."""

import time

from service.feeds import read_outputs
from service.ledger import Ledger
from service.settings import Misconfigured, Settings


def outputs_of(settings: Settings) -> tuple[str, ...]:
    """The outputs by name: of the settings, else of the outputs file.

    Raises:
        Misconfigured: neither names any, or both do, a name cannot be one, or one that has a share is missing.

    """
    if settings.outputs and settings.outputs_file:
        raise Misconfigured("outputs and outputs_file: give one of them, not both")
    names = read_outputs(settings.outputs_file) if settings.outputs_file else settings.outputs
    if not names:
        raise Misconfigured(
            "outputs: none are named; give `--outputs FILE`, or `outputs` or `outputs_file` in the file"
        )
    if bad := [name for name in names if any(ord(character) < 32 for character in name)]:
        raise Misconfigured(f"outputs: {bad[0]!r} has a control character in it; leave that out")
    check_shares(settings, names)
    return names


def check_shares(settings: Settings, outputs: tuple[str, ...]) -> None:
    """Refuse a share for an output that there is not.

    Raises:
        Misconfigured: naming it.

    """
    if unknown := sorted(set(settings.asking.output_shares).difference(outputs)):
        raise Misconfigured(f"asking.output_shares: there is no output {unknown[0]!r}; name one of the outputs")


def outputs_known(settings: Settings, ledger: Ledger | None) -> tuple[str, ...]:
    """The outputs the ledger has, else those of the settings, else none."""
    if ledger is not None and (known := ledger.batches.outputs()):
        return known
    return outputs_of(settings) if settings.outputs or settings.outputs_file else ()


def settle_outputs(ledger: Ledger, wanted: tuple[str, ...], confirmed: tuple[str, ...]) -> None:
    """Write the outputs into the ledger if they are new there.

    Raises:
        Misconfigured: an output would be dropped with all it has learnt, unconfirmed.

    """
    known = ledger.batches.outputs()
    removed = [output for output in known if output not in wanted]
    if unconfirmed := [output for output in removed if output not in confirmed]:
        raise Misconfigured(
            f"outputs: {', '.join(unconfirmed)} would be dropped with all they have learnt; "
            "name them again, or confirm with learning.confirm_removed"
        )
    # Known outputs keep their order: only what really changes is a change.
    arranged = (
        *(output for output in known if output in wanted),
        *(output for output in wanted if output not in known),
    )
    if arranged != known:
        with ledger.transaction():
            ledger.batches.add_outputs(arranged, time.time())
