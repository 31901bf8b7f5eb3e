"""What pages say of the spans of a timeline, in the reader's language."""

from collections.abc import Mapping
from gettext import NullTranslations

from core.i18n import gettext_noop
from roadmap.lifecycle.timeline.spans import REVIEW, Span, SpanKind, SpanOutcome
from roadmap.plan.outline import ContentKind
from web.pages.labels import HAPPENED, KINDS

NAMES: Mapping[SpanKind, str] = {
    SpanKind.queued: gettext_noop("Waits for a worker"),
    SpanKind.plan: gettext_noop("Planning"),
    SpanKind.analysis: gettext_noop("Analysis of the goal"),
    SpanKind.outline: gettext_noop("Design of the plan"),
    SpanKind.repair: gettext_noop("Repair of the plan"),
    SpanKind.content: gettext_noop("Writing"),
    SpanKind.model_call: gettext_noop("Call of the model"),
    SpanKind.wait: gettext_noop("Waits for room or money"),
    SpanKind.retry: gettext_noop("Pause before the next try"),
    SpanKind.webhook: gettext_noop("Message to a webhook"),
    SpanKind.decision: gettext_noop("Decision"),
}
OUTCOMES: Mapping[SpanOutcome, str] = {
    SpanOutcome.ok: gettext_noop("done"),
    SpanOutcome.failed: gettext_noop("failed"),
    SpanOutcome.stopped: gettext_noop("stopped"),
    SpanOutcome.interrupted: gettext_noop("interrupted"),
    SpanOutcome.running: gettext_noop("goes on"),
}
APPROVAL = gettext_noop("Waits for approval")
ROWS = {
    "plan": gettext_noop("The plan"),
    "decisions": gettext_noop("Decisions"),
    "webhooks": gettext_noop("Webhooks"),
    "concepts": gettext_noop("%(first)s … %(last)s (%(count)d)"),
}


def span_name(span: Span, words: NullTranslations) -> str:
    """What it is: the part, the event, or the step."""
    if span.kind == SpanKind.wait and span.name == REVIEW:
        return words.gettext(APPROVAL)
    if span.kind == SpanKind.content and span.name in set(ContentKind):
        return words.gettext(KINDS[ContentKind(span.name)])
    if span.kind in (SpanKind.decision, SpanKind.webhook) and span.name in HAPPENED:
        return words.gettext(HAPPENED[span.name])
    return words.gettext(NAMES[span.kind])


def outcome_text(span: Span, words: NullTranslations) -> str:
    return words.gettext(OUTCOMES[span.outcome])


def rows_in(words: NullTranslations) -> dict[str, str]:
    return {key: words.gettext(text) for key, text in ROWS.items()}
