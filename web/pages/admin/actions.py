"""Texts of actions on queues and messages: question, consequences and success."""

from dataclasses import dataclass
from gettext import NullTranslations

from core.i18n import gettext_noop
from core.settings import CONSUMERS

STAYS = gettext_noop(
    "Running tasks finish. No others start until the queue is resumed, even after a restart."
)
AGAIN = gettext_noop("Tasks can run twice without harm.")
GONE = gettext_noop(
    "This cannot be undone. The work will not be done, unless the rescue task finds it unfinished"
    " in the database."
)
IF_PAUSED = {each.queue: each.if_paused for each in CONSUMERS}


@dataclass(frozen=True, slots=True)
class ActionTexts:
    """The texts of an action, in which `count` is the number of messages.

    On the page that asks before it: title, button and consequences; afterwards: `success`.
    """

    question: str
    button: str
    consequences: tuple[str, ...]
    success: str


ACTION_TEXTS = {
    "queue.pause": ActionTexts(
        gettext_noop("Pause the queue %(queue)s?"),
        gettext_noop("Pause"),
        (STAYS,),
        gettext_noop("The queue %(queue)s is paused."),
    ),
    "queue.resume": ActionTexts(
        gettext_noop("Resume the queue %(queue)s?"),
        gettext_noop("Resume"),
        (gettext_noop("Its workers take messages again, by priority, then by age."),),
        gettext_noop("The queue %(queue)s is resumed."),
    ),
    "message.retry": ActionTexts(
        gettext_noop("Retry this dead letter?"),
        gettext_noop("Retry"),
        (
            gettext_noop(
                "It returns to the queue %(queue)s and may be tried as often as a new message."
            ),
            AGAIN,
        ),
        gettext_noop("The message is back in the queue %(queue)s."),
    ),
    "message.delete": ActionTexts(
        gettext_noop("Delete this dead letter?"),
        gettext_noop("Delete"),
        (GONE,),
        gettext_noop("The dead letter is deleted."),
    ),
    "message.revoke": ActionTexts(
        gettext_noop("Revoke this message?"),
        gettext_noop("Revoke"),
        (
            gettext_noop(
                "Its work is ended in the database first, so that rescue does not bring it back: a"
                " plan is cancelled, a part given up, a webhook delivery dropped."
            ),
            gettext_noop(
                "A running task stops at the next heartbeat of its worker and saves nothing."
            ),
        ),
        gettext_noop("The message is revoked."),
    ),
    "dead.retry": ActionTexts(
        gettext_noop("Retry dead letters (%(count)s)?"),
        gettext_noop("Retry %(count)s"),
        (
            gettext_noop(
                "They return to the queue %(queue)s and may be tried as often as new messages."
            ),
            AGAIN,
        ),
        gettext_noop("Dead letters returned to the queue %(queue)s: %(count)s."),
    ),
    "dead.delete": ActionTexts(
        gettext_noop("Delete dead letters (%(count)s)?"),
        gettext_noop("Delete %(count)s"),
        (GONE,),
        gettext_noop("Deleted dead letters: %(count)s."),
    ),
}


def success_message(words: NullTranslations, action: str, queue: str, count: int) -> str:
    """Return the message after an action; empty for an unknown one, as anybody can make a URL."""
    if action not in ACTION_TEXTS or queue not in IF_PAUSED:
        return ""
    return words.gettext(ACTION_TEXTS[action].success) % {"queue": queue, "count": count}


def consequences(words: NullTranslations, action: str, queue: str, count: int) -> list[str]:
    """Return the consequences of an action, a sentence or two each."""
    of_queue = IF_PAUSED[queue] if action == "queue.pause" else ""
    return [
        words.gettext(text) % {"queue": queue, "count": count}
        for text in (*ACTION_TEXTS[action].consequences, of_queue)
        if text
    ]
