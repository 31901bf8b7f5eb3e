"""Attacks on logins, tokens, keys and invitations."""

import base64
import json
import uuid
from urllib.parse import quote

from itsdangerous import URLSafeTimedSerializer

from tests.attacks.attacker.target import (
    AUTH,
    COOKIE,
    ME,
    PASSWORD,
    ROADMAPS,
    SESSIONS,
    WRONG,
    Account,
    Finding,
    Target,
    attack,
    judged,
    not_tried,
    stranger,
    together,
)

LOOKS = 3  # at a difference in time before it is believed


@attack
def timing_of_unknown_accounts(target: Target) -> Finding:
    """Addresses with an account, by the time that a refusal takes."""
    if not target.me.email:
        return not_tried("there are no accounts")
    for _ in range(LOOKS):  # a machine that does other work differs once, an account each time
        answers, known, unknown = [], list[float](), list[float]()
        for _ in range(9):
            for email, times in ((target.me.email, known), (stranger(), unknown)):
                answers.append(answer := target.log_in(Account(email=email), WRONG))
                if answer.status == 401:
                    times.append(answer.seconds)
        if len(known) < 5 or len(unknown) < 5:
            return judged([], "too few answers to compare", answers)
        ratio = min(known) / min(
            unknown
        )  # other work of the machine only adds to what an answer takes
        if 0.5 < ratio < 2:
            break
    return judged(
        [not 0.5 < ratio < 2 and "they differ"],
        f"a known address takes {ratio:.2f} times as long as an unknown one",
    )


@attack
def telling_words_of_a_login(target: Target) -> Finding:
    """Addresses with an account, by the text of a refusal."""
    if not target.me.email:
        return not_tried("there are no accounts")
    answers = [
        target.log_in(Account(email=email), WRONG) for email in (target.other.email, stranger())
    ]
    body = {
        (answer.status, *map(answer.json().get, ("title", "detail", "type"))) for answer in answers
    }
    return judged([len(body) > 1 and body], "a known and an unknown address", answers)


@attack
def fixed_session(target: Target) -> Finding:
    """Somebody's login, by giving their browser a token before they log in."""
    if not (before := target.fresh(target.other)):
        return not_tried("needs the passwords of both accounts")
    planted = {"Cookie": f"{COOKIE}={before}", "Origin": f"http://{target.host}"}
    answer = target.log_in(target.me, fields={"cookie": True}, headers=planted)
    after = answer.header("set-cookie").partition("=")[2].partition(";")[0]
    seen = target.ask("GET", ME, token=before)
    won = [
        answer.ok and after in ("", before) and "no new token",
        seen.ok
        and seen.json().get("email") == target.me.email
        and "the planted token is the victim's now",
        seen.ok and "the planted login is still good",
        answer.ok
        and not all(
            word in answer.header("set-cookie") for word in ("HttpOnly", "Secure", "SameSite")
        )
        and "cookie",
    ]
    return judged(won, "a login with a planted cookie", [answer])


@attack
def use_after_logout(target: Target) -> Finding:
    """A login that was ended, from a copied token."""
    if not (token := target.fresh(target.me)):
        return not_tried("needs a password")
    target.ask("POST", f"{AUTH}/logout", token=token)
    tries = [target.ask("GET", path, token=token) for path in (ME, ROADMAPS, SESSIONS)]
    tries.append(target.ask("GET", ME, token=None, headers={"Cookie": f"{COOKIE}={token}"}))
    return judged(
        [answer.ok and "a token after its logout" for answer in tries],
        "a token after its logout",
        tries,
    )


@attack
def parallel_logouts(target: Target) -> Finding:
    """A login that survives because two logouts met."""
    if not (token := target.fresh(target.me)):
        return not_tried("needs a password")
    answers = together([lambda: target.ask("POST", f"{AUTH}/logout", token=token)] * 10)
    after = target.ask("GET", ME, token=token)
    won = [
        after.ok and "it is still good",
        *(answer.broke and f"answered {answer.status}" for answer in answers),
    ]
    return judged(won, "ten logouts at once", answers)


@attack
def token_from_before_a_new_password(target: Target) -> Finding:
    """An account that its owner thinks to have taken back."""
    if not target.me.password:
        return not_tried("needs a password")
    old, new = target.me.token, PASSWORD[::-1]
    change = {"current_password": target.me.password, "new_password": new}
    answer = target.ask("PUT", f"{AUTH}/password", change)
    if not answer.ok:
        return judged([], "the password could not be changed", [answer])
    seen = target.ask("GET", ME, token=old)
    again = target.log_in(target.me)
    target.me.token, target.me.password = answer.json()["access_token"], new
    return judged(
        [seen.ok and "the old token is good", again.ok and "the old password is"],
        "token and password",
        [seen, again],
    )


@attack
def forged_tokens(target: Target) -> Finding:
    """Any account, without a password."""
    if target.embedded:
        return not_tried("there are no tokens")
    payload, _, rest = (
        target.me.token.rpartition(".")[0].partition(".")[0],
        "",
        target.me.token.rpartition(".")[2],
    )
    signed = target.me.token.rpartition(".")[0]
    unsigned = (
        base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode())
        .decode()
        .rstrip("=")
    )
    claims = (
        base64.urlsafe_b64encode(json.dumps({"sub": target.other.email, "is_admin": True}).encode())
        .decode()
        .rstrip("=")
    )
    forged = [
        f"{signed}.",
        signed,
        f"{signed}..{rest}",
        target.me.token[:-4],
        target.me.token[4:],
        f"{unsigned}.{claims}.",
    ]
    forged += [
        f"{target.other.token.rpartition('.')[0]}.{rest}",
        f"{payload}.{rest}",
        "null",
        "undefined",
        "0",
        "Bearer",
        ".",
    ]
    forged += [
        ".eJx" + "A" * 200 + ".AAAA." + rest,
        "\u00e9" * 20,
        "a" * 8000,
        ",".join([target.me.token[:-3]] * 2),
    ]
    zero = [uuid.UUID(int=1).hex, uuid.UUID(int=1).hex, 1]
    for key in ("", "secret", "changeme", "a" * 32, "roadmap", target.me.token):
        for salt in ("roadmap.access-token", "itsdangerous", "roadmap.invitation"):
            forged.append(str(URLSafeTimedSerializer(key or "x", salt=salt).dumps(zero)))
    if target.invitation:
        forged.append(target.invitation)
    answers = [
        target.ask("GET", ME, token=None, headers={"Authorization": f"Bearer {token}"})
        for token in forged
    ]
    won = [answer.ok and f"{token[:30]}" for token, answer in zip(forged, answers, strict=True)]
    return judged(
        [*won, *(answer.broke and answer.status for answer in answers)],
        f"{len(forged)} tokens of our own",
        answers,
    )


@attack
def token_in_another_place(target: Target) -> Finding:
    """Tokens of logs and histories, if addresses may have them; cookies set by another site."""
    if target.embedded:
        return not_tried("there are no tokens")
    token, ask = target.me.token, target.ask
    basic = base64.b64encode(f"token:{token}".encode()).decode()
    answers = [
        *(
            ask("GET", f"{ROADMAPS}?{name}={quote(token)}", token=None)
            for name in ("access_token", "token", "key", "api_key")
        ),
        *(
            ask("GET", ME, token=None, headers={name: token})
            for name in ("X-Access-Token", "X-API-Key", "X-Auth-Token")
        ),
        *(
            ask("GET", ME, token=None, headers={"Authorization": f"{how} {token}"})
            for how in ("Token", "JWT", "")
        ),
        ask("GET", ME, token=None, headers={"Authorization": f"Basic {basic}"}),
        *(
            ask("GET", ME, token=None, headers={"Cookie": cookie})
            for cookie in (
                f"roadmap={token}",
                f"session={token}",
                f"__host-roadmap={token}",
                f"{COOKIE}=a; {COOKIE}={token}",
                f'{COOKIE}="{token}"',
                f"\t{COOKIE}={token}".strip() + "x",
                f"a=b\x0b{COOKIE}={token}",
            )
        ),
    ]
    return judged(
        [answer.ok and "taken" for answer in answers], f"{len(answers)} other places", answers
    )


@attack
def guessed_keys_and_invitations(target: Target) -> Finding:
    """An account's key, or the right to register, by trying."""
    if target.embedded:
        return not_tried("there are no keys")
    keys = [
        "rmk_",
        "rmk_test",
        "rmk_' OR ''='",
        "rmk_\u00ff",
        *(f"rmk_{uuid.uuid4().hex}{uuid.uuid4().hex[:11]}" for _ in range(20)),
    ]
    answers = [target.ask("GET", ME, token=key) for key in keys]
    text = str(URLSafeTimedSerializer("x", salt="roadmap.invitation").dumps(uuid.uuid4().hex))
    for invitation in (text, "0", uuid.uuid4().hex, target.me.token):
        given = {"email": stranger(), "password": PASSWORD, "invitation": invitation}
        answers.append(target.ask("POST", f"{AUTH}/register", given, token=None))
    return judged(
        [answer.ok and "taken" for answer in answers],
        f"{len(keys)} keys and 4 invitations",
        answers,
    )
