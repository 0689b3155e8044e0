"""The story of an arrival, in lines to read."""

from datetime import UTC, datetime

from service.explain import Story, scores_of


def told(story: Story, outputs: tuple[str, ...]) -> str:
    """One line for each thing that happened, in order; `outputs` are those of the model that predicted."""
    lines = []
    if said := story.prediction:
        lines += [
            f"product    {said.product}",
            f"predicted  {_when(said.at)} by model {said.model}, policy {said.policy}",
            "positive   " + (", ".join(f"{k} {v:.2f}" for k, v in said.positive.items()) or "none"),
            "scores     " + ", ".join(f"{k} {v:.3f}" for k, v in list(scores_of(said, outputs).items())[:8]),
            f"chance     {said.chance:.4f}, draw {said.draw:.4f}: {'asked' if said.asked else 'not asked'}",
        ]
    if no := story.rejection:
        lines.append(f"rejected   {no.reason}: {no.detail}")
    if story.kept is not None:
        query, because = story.kept.query, story.kept.query.because
        terms = sorted(because.disagreement.items(), key=lambda pair: -pair[1])[:5]
        lines += [
            f"query      {query.id}: {story.kept.state}",
            f"asked      {_when(query.asked_at)}, until {_when(query.expires_at)}",
            f"because    floor {because.floor}, scale {because.scale:.3f}, combined {because.combined:.4f}; most: "
            + ", ".join(f"{k} {v:.3f}{_own(because.output_scales.get(k))}" for k, v in terms),
        ]
        for label, at, outcome in story.answers:
            yes = [k for k, v in label.answers.items() if v]
            unsure = [k for k, v in label.answers.items() if v is None]
            text = "skipped" if label.skipped else "withdrawn" if label.deleted else f"yes: {', '.join(yes) or 'none'}"
            lines.append(
                f"answer     {_when(at)} {label.annotator}, {outcome}: {text}"
                + (f"; unsure: {', '.join(unsure)}" if unsure else "")
            )
        batches = ", ".join(map(str, story.batches))
        lines.append(f"learnt     {f'in batch {batches}' if batches else 'not yet'}")
    return "\n".join(lines)


def _own(scale: float | None) -> str:
    return "" if scale is None else f" (scale {scale:.3f})"


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")
