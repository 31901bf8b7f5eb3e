"""Requests at the same time, similar addresses, and guessed passwords."""

import unicodedata

from tests.attacks.attacker.target import (
    AT_ONCE,
    AUTH,
    PASSWORD,
    WRONG,
    Account,
    Answer,
    Finding,
    Target,
    attack,
    judged,
    not_tried,
    status,
    stranger,
    together,
)


@attack
def two_approvals(target: Target) -> Finding:
    """Work that is done twice, and paid twice."""
    answers = together([lambda: target.ask("POST", f"{target.mine}/approve", {})] * 10)
    times = sum(answer.ok for answer in answers)
    won = [
        times > 1 and f"{times} were taken",
        *(answer.broke and f"answered {answer.status}" for answer in answers),
    ]
    return judged(won, f"ten approvals at once, {times} taken", answers)


@attack
def body_that_is_passed_over(target: Target) -> Finding:
    """A decision without its condition: an offer of another protocol hides the body."""
    body = b'{"unknown": true}'
    lines = (
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close, Upgrade",
        "Upgrade: h2c",
    )
    answer = target.raw(target.head("POST", f"{target.mine}/cancel", *lines), body)
    return judged(
        [status(answer) in (202, 409) and f"answered {status(answer)}"],
        "an unknown field, and an offer of h2c",
    )


@attack
def two_people_with_one_place(target: Target) -> Finding:
    """Two accounts with one invitation, or with one address."""
    if target.embedded or not (target.invitation or target.anybody):
        return not_tried("registration is not open")
    same = stranger()
    invited = {"invitation": target.invitation} if target.invitation else {}
    people = [
        {"email": stranger() if invited else same, "password": PASSWORD, **invited}
        for _ in range(6)
    ]
    answers = together(
        [
            lambda person=person: target.ask("POST", f"{AUTH}/register", person, token=None)
            for person in people
        ]
    )  # type: ignore[misc]
    made = sum(answer.ok for answer in answers)
    won = [
        made > 1 and f"{made} accounts",
        *(answer.broke and f"answered {answer.status}" for answer in answers),
    ]
    return judged(
        won, f"6 at once with one {'invitation' if invited else 'address'}, {made} made", answers
    )


@attack
def addresses_that_look_the_same(target: Target) -> Finding:
    """An account that an administrator takes for another's."""
    if target.embedded or not target.anybody:
        return not_tried("registration is not open")
    name, at, host = stranger().partition("@")
    hidden = {
        "zero width": "\u200b",
        "mark of direction": "\u200e",
        "soft hyphen": "\u00ad",
        "tag": "\U000e0041",
        "joiner": "\u2060",
    }
    texts = {why: f"{name[:9]}{sign}{name[9:]}{at}{host}" for why, sign in hidden.items()}
    answers = [
        target.ask("POST", f"{AUTH}/register", {"email": text, "password": PASSWORD}, token=None)
        for text in texts.values()
    ]
    won = [answer.ok and f"with a {why}" for why, answer in zip(texts, answers, strict=True)]
    for form in ("NFC", "NFD"):
        email = unicodedata.normalize(form, f"{name}\u00e9@{host}")
        answers.append(
            target.ask(
                "POST", f"{AUTH}/register", {"email": email, "password": PASSWORD}, token=None
            )
        )
    won.append(answers[-1].ok and answers[-2].ok and "composed and decomposed")
    return judged(won, f"{len(answers)} addresses with invisible characters", answers)


@attack
def addresses_that_grow(target: Target) -> Finding:
    """An error that was not foreseen: lower case can be longer than what was measured."""
    if target.embedded:
        return not_tried("there are no accounts")
    email = "\u0130" * 200 + "@example.org"
    invited = {"invitation": target.invitation} if target.invitation else {}
    answers = [
        target.ask(
            "POST",
            f"{AUTH}/register",
            {"email": email, "password": PASSWORD, **invited},
            token=None,
        )
    ]
    answers.append(target.log_in(Account(email=email), WRONG))
    won = [answer.broke and f"answered {answer.status}" for answer in answers]
    return judged(
        [*won, answers[0].ok and "an address of more than 254 characters"],
        "200 letters that become 400",
        answers,
    )


@attack
def guessing_at_one_account(target: Target) -> Finding:
    """A password, by trying from one place: in a row, in other spellings, as other addresses."""
    if not target.other.email or not target.limits:
        return not_tried("there are no accounts, or limits are off")
    answers: list[Answer] = []
    while len(answers) < 30 and not any(answer.status == 429 for answer in answers):
        answers.append(target.log_in(target.other, WRONG))
    email = target.other.email
    more: list[Answer] = []
    for spelled in (
        email.upper(),
        email.title(),
        email.replace("e", "E", 1),
        email.replace("k", "\u212a"),
        f" {email}",
        f"{email}.",
    ):
        more.append(target.log_in(Account(email=spelled), target.other.password or WRONG))
    for name in (
        "X-Forwarded-For",
        "X-Real-IP",
        "Forwarded",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Client-IP",
    ):
        more.append(target.log_in(target.other, WRONG, headers={name: f"203.0.113.{len(more)}"}))
    more.append(
        target.log_in(
            target.other, WRONG, headers={"X-Forwarded-For": "127.0.0.1, 10.0.0.1, 203.0.113.9"}
        )
    )
    won = [
        len(answers) == 30 and "30 guesses were answered",
        *(answer.ok and "a spelling passes by" for answer in more),
    ]
    won += [answer.status == 401 and "an address that we claim passes by" for answer in more[6:]]
    return judged(won, f"{len(answers) + len(more)} guesses", [*answers, *more])


@attack
def guessing_at_once(target: Target) -> Finding:
    """The same, faster than it is counted."""
    if not target.me.email or not target.limits:
        return not_tried("there are no accounts, or limits are off")
    answers = together([lambda: target.log_in(target.me, WRONG)] * AT_ONCE)
    heard = sum(answer.status == 401 for answer in answers)
    return judged(
        [heard > AT_ONCE // 2 and f"{heard} were answered"], f"{AT_ONCE} guesses at once", answers
    )


@attack
def one_password_for_many(target: Target) -> Finding:
    """Accounts with a common password."""
    if target.embedded or not target.limits:
        return not_tried("there are no accounts, or limits are off")
    answers: list[Answer] = []
    while len(answers) < 150 and not any(answer.status == 429 for answer in answers):
        answers += together([lambda: target.log_in(Account(email=stranger()), WRONG)] * 15)
    return judged(
        [len(answers) >= 150 and "150 were answered"], f"{len(answers)} addresses", answers
    )
