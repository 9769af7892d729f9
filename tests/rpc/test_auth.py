"""Who is calling: registering, logging in, tokens and their end."""

import base64
import json
import re
import shutil
import signal
import subprocess
import time

import grpc
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kit import stubs, wire
from kit.client import Refusal, new_id, refused
from kit.instance import binary, until
from kit.patience import tries
from kit.pki import add_token_key
from kit.world import PASSWORD


def unbase64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims_of(token):
    return json.loads(unbase64(token.split(".")[1]))


def refresh(client, token, **more):
    return client.RefreshSession(refresh_token=token, **more)


def test_methods_need_a_token(world, ann):
    for name, fields in (("GetUser", {"name": "users/me"}), ("ListBookings", {}),
                         ("GetBooking", {"name": "bookings/" + new_id()})):
        with refused("UNAUTHENTICATED", "TOKEN_MISSING"):
            world.dev.client().ask(name, **fields)
    header, payload, signature = ann.token.split(".")
    claims = json.loads(unbase64(payload))
    forged = base64.urlsafe_b64encode(json.dumps({**claims, "exp": claims["exp"] + 9}).encode()).rstrip(b"=").decode()
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for token in ("x", "a.b.c", ann.token + "A", f"{header}.{forged}.{signature}", f"{header}.{payload}.",
                  f"{none}.{payload}.", f"{header}.{payload}.{signature[:-4]}AAAA", "A" * 5000):
        with refused("UNAUTHENTICATED", "TOKEN_INVALID"):
            world.dev.client(token).GetUser(name="users/me")


def test_public_methods_do_not_look_at_the_token(world):
    assert world.dev.client("nonsense").SearchPlaces(query="london").places


def test_keys_change_without_a_restart(world, tmp_path):
    keys = tmp_path / "keys"
    shutil.copytree(f"{world.dev.data}/keys", keys)
    first, = keys.iterdir()
    with world.dev.sibling(keys=keys, workers=2) as server:
        old = world.traveller(server=server)
        add_token_key(keys, int(first.stem) + 1)
        server.process.send_signal(signal.SIGHUP)
        header = until(lambda: (h := world.traveller(server=server).token.split(".")[0]) != old.token.split(".")[0] and h,
                       10, "the new key signs")
        assert old.GetUser(name="users/me").email
        first.unlink()
        server.process.send_signal(signal.SIGHUP)

        def is_refused():
            client = server.client(old.token)
            try:
                client.GetUser(name="users/me")
            except grpc.RpcError as error:
                return Refusal(error).reason == "TOKEN_INVALID"
            finally:
                client.close()
            return False
        until(lambda: all(is_refused() for _ in range(4)), 10, "tokens of the old one are refused by every worker")
        assert world.traveller(server=server).token.split(".")[0] == header


def test_access_tokens_expire(world):
    with world.dev.sibling("--access-token-seconds=4") as server:
        ann = world.traveller("Ann", server)
        assert ann.GetUser(name="users/me").name == ann.user.name
        world.wait(4.2)  # it counts from the beginning of the second it was issued in
        with refused("UNAUTHENTICATED", "TOKEN_EXPIRED"):
            ann.GetUser(name="users/me")
        ann.token = refresh(ann, ann.tokens.refresh_token).access_token
        assert ann.GetUser(name="users/me").name == ann.user.name


def test_a_deleted_session_is_over_within_three_seconds(world, ann):
    """On every worker, also on those that only hear of it."""
    elsewhere = [ann.again() for _ in range(8)]
    for client in elsewhere:
        client.GetUser(name="users/me")
    second = world.dev.client().log_in(ann.email, PASSWORD)
    ann.DeleteSession(name=ann.tokens.session.name)
    end = time.monotonic() + 3
    for client in elsewhere:
        while True:
            try:
                client.GetUser(name="users/me")
            except grpc.RpcError as error:
                assert Refusal(error).reason == "TOKEN_REVOKED"
                break
            assert time.monotonic() < end, "still good after three seconds"
            time.sleep(0.05)
    with refused("UNAUTHENTICATED", "TOKEN_REVOKED"):
        refresh(ann, ann.tokens.refresh_token)
    assert second.GetUser(name="users/me").name == ann.user.name, "the other session lives"
    life, = world.dev.sql(f"SELECT expire_time - revoke_time FROM revocation WHERE session_id = '{session_id(ann)}'")[0]
    assert life == "01:00:00", "as long as a token of any server may live"


def session_id(client):
    return client.tokens.session.name.split("/")[-1]


def test_the_end_of_a_session_is_heard_of_after_the_clock_was_set_back(world, ann):
    """Though that of another one, which came before, is said to have come later."""
    bob = world.traveller("Bob")
    with world.dev.sibling() as server:
        for client, when in ((bob, "now() + interval '1 hour'"), (ann, "now()")):
            heard = server.client(client.token)
            assert heard.GetUser(name="users/me").name == client.user.name
            world.dev.sql(f"INSERT INTO revocation VALUES ('{client.user.name.split('/')[-1]}', '{session_id(client)}',"
                          f" {when}, now() + interval '1 minute')")

            def is_refused():
                try:
                    return not heard.GetUser(name="users/me")
                except grpc.RpcError as error:
                    return Refusal(error).reason == "TOKEN_REVOKED"
            until(is_refused, 10, "its poll")


def test_a_session_that_is_over_is_not_given_out_again(world, ann):
    """A repeated request answers as before, but not with tokens that are worth nothing."""
    client = world.dev.client()
    request = client.request("CreateSession", email=ann.email, password=PASSWORD)
    tokens = client.CreateSession(request).tokens
    assert client.ask("CreateSession", request).replayed
    world.dev.client(tokens.access_token).DeleteSession(name=tokens.session.name)
    with refused("UNAUTHENTICATED", "TOKEN_REVOKED"):
        client.CreateSession(request)


def test_a_server_that_starts_knows_whose_session_is_over(world, ann):
    """It serves once it has read them all, also where one answer does not hold them (10,000)."""
    nobody = "00000000-0000-0000-0000-000000000000"
    world.dev.sql(f"INSERT INTO revocation SELECT '{nobody}', gen_random_uuid(),"
                  " now() - i * interval '1 millisecond', now() + interval '1 minute' FROM generate_series(1, 30000) i")
    try:
        ann.DeleteSession(name=ann.tokens.session.name)
        with world.dev.sibling() as server, refused("UNAUTHENTICATED", "TOKEN_REVOKED"):
            server.client(ann.token).GetUser(name="users/me")
    finally:
        world.dev.sql(f"DELETE FROM revocation WHERE user_id = '{nobody}'")


def test_sessions_are_listed(world, ann):
    for label in ("phone", "tablet"):
        ann.CreateSession(email=ann.email, password=PASSWORD, device_label=label)
    sessions = ann.ListSessions(parent="users/me").sessions
    assert [s.device_label for s in sessions] == ["tablet", "phone", ""]
    assert [s.current for s in sessions] == [False, False, True]
    first = ann.ListSessions(parent="users/me", page_size=2)
    rest = ann.ListSessions(parent="users/me", page_size=2, page_token=first.next_page_token)
    assert [s.name for s in [*first.sessions, *rest.sessions]] == [s.name for s in sessions] and not rest.next_page_token
    ann.DeleteSession(name=sessions[0].name)
    assert len(ann.ListSessions(parent="users/me").sessions) == 2


def test_refresh_rotates(world, ann):
    first = ann.tokens.refresh_token
    second = refresh(ann, first)
    assert second.refresh_token != first and second.access_token != ann.token
    assert second.session.name == ann.tokens.session.name
    ann.token = second.access_token
    assert ann.GetUser(name="users/me").name == ann.user.name
    third = refresh(ann, second.refresh_token)
    assert third.refresh_token not in (first, second.refresh_token)


def test_the_previous_token_gives_the_same_successor_in_its_grace(world, ann):
    first = ann.tokens.refresh_token
    successors = {refresh(ann, first).refresh_token for _ in range(3)}
    assert len(successors) == 1
    key = new_id()
    third = refresh(ann, successors.pop(), request_id=key)
    assert refresh(ann, third.refresh_token).refresh_token


def test_a_reused_token_ends_the_session(world):
    with world.dev.sibling("--refresh-grace-seconds=0") as server:
        ann = world.traveller("Ann", server)
        first = ann.tokens.refresh_token
        second = refresh(ann, first)
        third = refresh(ann, second.refresh_token)
        with refused("UNAUTHENTICATED", "REFRESH_REUSED"):
            refresh(ann, first)
        with refused("UNAUTHENTICATED", "TOKEN_REVOKED"):
            refresh(ann, third.refresh_token)
        ann.token = third.access_token
        with refused("UNAUTHENTICATED", "TOKEN_REVOKED"):
            ann.GetUser(name="users/me")


def test_refresh_tokens_that_are_none(world, ann):
    token = ann.tokens.refresh_token
    for wrong in ("x", token[:-3] + ("AAA" if token[-3:] != "AAA" else "BBB"), ann.token, token[:20]):
        with refused("UNAUTHENTICATED", "TOKEN_INVALID", "refresh_token"):
            refresh(ann, wrong)


def test_nothing_outlives_the_session(world):
    """Neither access tokens, nor a client's hope that to refresh would help."""
    with world.dev.sibling("--session-seconds=4") as server:
        ann = world.traveller("Ann", server)
        fresh = refresh(ann, ann.tokens.refresh_token)
        for tokens in (ann.tokens, fresh):
            assert tokens.access_token_expire_time.seconds == claims_of(tokens.access_token)["exp"]
            assert tokens.access_token_expire_time.seconds <= ann.tokens.session.expire_time.seconds
        assert ann.GetUser(name="users/me").name == ann.user.name
        world.wait(ann.tokens.session.expire_time.seconds + 1 - time.time())
        with refused("UNAUTHENTICATED", "TOKEN_EXPIRED"):
            ann.GetUser(name="users/me")
        with refused("UNAUTHENTICATED", "TOKEN_REVOKED", "refresh_token"):
            refresh(ann, fresh.refresh_token)


def test_who_is_a_customer_is_not_told(world, ann):
    """Unknown address, wrong password, known address again: the same words, and about the same time."""
    client = world.dev.client()

    def answer(email):
        began = time.monotonic()
        with refused("UNAUTHENTICATED", "CREDENTIALS_INVALID") as seen:
            client.CreateSession(email=email, password="not the right one")
        return (seen[0].message, seen[0].facts, seen[0].kinds), time.monotonic() - began

    known, unknown = [], []
    for _ in range(3):
        known.append(answer(ann.email))
        unknown.append(answer(f"{new_id()}@example.org"))
    assert {str(a) for a, _ in known} == {str(a) for a, _ in unknown}
    fast, slow = sorted([min(t for _, t in known), min(t for _, t in unknown)])
    assert slow < 3 * fast + 0.02
    again = client.ask("CreateUser", email=ann.email, password=PASSWORD, display_name="Ann")
    fresh = client.ask("CreateUser", email=f"{new_id()}@example.org", password=PASSWORD, display_name="Ann")
    assert again.message.name != ann.user.name
    filled = [{field.name: len(str(value)) for field, value in answer.message.ListFields()} for answer in (again, fresh)]
    assert filled[0].keys() == filled[1].keys() and filled[0]["name"] == filled[1]["name"]


def test_guessing_is_slowed(world, ann):
    client = world.dev.client()
    reasons = []
    for _ in range(8):
        try:
            client.CreateSession(email=ann.email, password="guess " + new_id())
        except grpc.RpcError as error:
            reasons.append(Refusal(error))
    assert [r.reason for r in reasons[:5]] == ["CREDENTIALS_INVALID"] * 5
    last = reasons[-1]
    assert (last.reason, last.code.name) == ("LOGIN_THROTTLED", "RESOURCE_EXHAUSTED") and 0 < last.retry_s <= 300
    with refused("RESOURCE_EXHAUSTED", "LOGIN_THROTTLED"):  # the right one waits as well
        client.CreateSession(email=ann.email, password=PASSWORD)
    world.wait(last.retry_s + 0.5)
    assert client.log_in(ann.email, PASSWORD).tokens.access_token, "slowed, not locked"


def test_a_login_that_nobody_looked_at_has_not_failed(world, ann):
    """All who hash are busy: then the right password is refused as well, as often as it comes, and is none the worse for
    it. Half of the queue is not for those who register."""
    with world.dev.sibling("--argon2-passes=40", "--argon2-kib=16384") as server:
        client = server.client()

        def crowd(name, count):
            path = stubs.METHODS[name][0]
            method = client.channel.unary_unary(path)
            return [method.future(client.request(name, email=f"{new_id()}@example.org", password=PASSWORD)
                                  .SerializeToString(), timeout=10) for _ in range(count)]

        busy = crowd("CreateUser", 40)
        until(lambda: sum(call.done() for call in busy) >= 8, 5, "32 wait")
        busy += crowd("CreateSession", 40)
        until(lambda: sum(call.done() for call in busy) >= 16, 5, "64 wait")
        for _ in range(6):
            busy += crowd("CreateSession", 4)  # a hash may be ready
            with refused("UNAVAILABLE", "OVERLOADED"):
                client.CreateSession(email=ann.email, password=PASSWORD)
        for call in busy:
            call.cancel()
    assert world.dev.client().log_in(ann.email, PASSWORD).token


def test_who_asks_too_often_is_told_to_wait_and_others_are_not(world):
    """Without a token it is the address that counts: 600 in a minute for this method."""
    path = "/faregate.v1.AuthService/RefreshSession"
    with world.dev.sibling() as server:
        replies = wire.many(server.port, path, 800, source="127.0.0.7")
        reasons = [reply.reason for reply in replies]
        assert set(reasons[:600]) == {"FIELD_INVALID"} and "RATE_LIMITED" in reasons[600:]
        last = replies[reasons.index("RATE_LIMITED")]
        assert last.status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0] and 0 < last.retry_s <= 60
        assert wire.many(server.port, path, 1, source="127.0.0.8")[0].reason == "FIELD_INVALID"


def test_who_books_without_end_is_told_to_wait_and_others_are_not(world):
    """Also what is refused counts: it is remembered for long."""
    with world.dev.sibling() as server:
        ann, bob = world.traveller("Ann", server), world.traveller("Bob", server)
        request = world.hold_request(ann, world.offer(ann))
        request.expected_total.units += 1
        for made in tries(lambda: seen.reason != "PRICE_CHANGED", 600):  # two a second may be added meanwhile
            request.request_id = new_id()
            with pytest.raises(grpc.RpcError) as caught:
                ann.CreateBooking(request)
            seen = Refusal(caught.value)
        assert made > 120 and (seen.code.name, seen.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
        assert 0 < seen.retry_s <= 60
        with refused("FAILED_PRECONDITION", "PRICE_CHANGED"):
            bob.CreateBooking(request)


@pytest.mark.parametrize("password", ["password", "12345678", "iloveyou", "ann.weak@example.org", "Password123"])
def test_weak_passwords(world, password):
    with refused("INVALID_ARGUMENT", "PASSWORD_WEAK", "password"):
        world.dev.client().CreateUser(email="ann.weak@example.org", password=password)


def test_the_case_of_an_address_does_not_matter(world):
    client = world.dev.client()
    local = new_id()
    client.CreateUser(email=f"Ann.{local}@Example.ORG", password=PASSWORD)
    assert client.log_in(f"ann.{local}@example.org", PASSWORD).token
    assert client.log_in(f"ANN.{local.upper()}@EXAMPLE.ORG", PASSWORD).token


def test_keys_verify_tokens(world, ann):
    """A third party needs the key set and nothing else."""
    over_grpc = ann.GetJsonWebKeySet()
    status, body = world.dev.http("/.well-known/jwks.json")
    over_http = json.loads(body)["keys"]
    assert status == 200 and len(over_http) == len(over_grpc.keys) >= 1
    for ours, theirs in zip(over_grpc.keys, over_http):
        for name, value in theirs.items():
            assert getattr(ours, name) == value, name
    header, payload, signature = ann.token.split(".")
    head, claims = json.loads(unbase64(header)), json.loads(unbase64(payload))
    assert head["alg"] == "EdDSA"
    key = next(k for k in over_http if k["kid"] == head["kid"])
    assert (key["kty"], key["crv"], key["use"]) == ("OKP", "Ed25519", "sig")
    public = Ed25519PublicKey.from_public_bytes(unbase64(key["x"]))
    public.verify(unbase64(signature), f"{header}.{payload}".encode())
    with pytest.raises(InvalidSignature):
        public.verify(unbase64(signature), f"{header}.{payload}x".encode())
    assert (claims["iss"], claims["aud"], claims["sub"]) == ("faregate", "faregate", ann.user.name)
    assert 0 < claims["exp"] - claims["iat"] <= 600


def test_staff_read_users_and_travellers_do_not(world, ann, bob):
    staff = world.dev.staff()
    assert staff.GetUser(name=ann.user.name).email == ann.email
    with refused("NOT_FOUND", "NOT_FOUND"):
        bob.GetUser(name=ann.user.name)


def test_secrets_do_not_stay_in_memory(world):
    """A worker that is idle has nothing of them left, be it in buffers or in what it will allocate next."""
    password, token = ("pass phrase " + new_id()).encode(), ("fgr_" + new_id() * 3).encode()
    with world.dev.sibling() as server:
        client = server.client()
        with refused("UNAUTHENTICATED", "CREDENTIALS_INVALID"):
            client.CreateSession(email="nobody@example.org", password=password.decode())
        client.CreateUser(email=f"{new_id()}@example.org", password=password.decode())
        with refused("UNAUTHENTICATED", "TOKEN_INVALID"):
            refresh(client, token.decode())
        pid = server.pids()["worker 0"]

        def found(*texts):
            count = 0
            with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
                for begin, end in (m.groups() for m in map(re.compile(r"(\w+)-(\w+) rw-p").match, maps) if m):
                    memory.seek(int(begin, 16))
                    content = memory.read(int(end, 16) - int(begin, 16))
                    count += sum(map(content.count, texts))
            return count

        try:
            assert found(b"dbname=faregate") > 0, "it is the memory of a worker"
            until(lambda: found(password, token) == 0, 3, "nothing is left")
        except PermissionError:
            pytest.skip("nobody may read it")


def test_secrets_are_stored_as_hashes(world, ann):
    rows = world.dev.sql(f"SELECT password_hash FROM login WHERE email = '{ann.email}'")
    assert rows[0][0].startswith("$argon2id$")
    secret = re.sub(r"[^A-Za-z0-9]", "", ann.tokens.refresh_token)[-20:]
    for table in ("session", "idempotency", "security_event", "revocation"):
        assert not [r for r in world.dev.sql(f"SELECT t::text FROM {table} t") if secret in r[0]], table


def test_a_user_is_made_only_with_an_address_that_can_log_in(world, tmp_path):
    """`faregate user` has the rule of CreateUser, or the account would be of no use."""
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")

    def make(email):
        return subprocess.run([binary(), "user", "--database", world.dev.conninfo, "--email", email, "--password-file",
                               str(password), "--roles", "traveller,agent"], capture_output=True, text=True, timeout=20)

    def count():
        return world.dev.sql("SELECT count(*) FROM app_user")
    before = count()
    for email in ("", " a@b.example", "Bob <b@x.example>", "b@", "a\x01@b.example", "a@" + ".".join(["b" * 58] * 7)):
        done = make(email)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, (email, done)
        assert "not an e-mail address" in done.stderr
    assert count() == before
    email = f"Staff.{new_id()[:8]}@Example.org"
    assert make(email).returncode == 0
    assert world.dev.client().log_in(email.lower(), PASSWORD).GetUser(name="users/me").email == email.lower()
