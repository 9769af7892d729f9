"""Envoy checks access tokens against the keys that the admin port publishes."""

import base64
import json
import shutil
import signal
import time

import pytest

from cryptography.hazmat.primitives.asymmetric import ed25519

from front import Envoy
from kit.client import refused
from kit.instance import until
from kit.pki import add_token_key


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return json.loads(base64.urlsafe_b64decode(text + "=="))


def forged(token, claims=None, key=None):
    """@token with other claims, signed by a key nobody knows."""
    head, body, _ = token.split(".")
    body = encode(json.dumps({**decode(body), **(claims or {})}).encode())
    signature = (key or ed25519.Ed25519PrivateKey.generate()).sign(f"{head}.{body}".encode())
    return f"{head}.{body}.{encode(signature)}"


def refused_by_envoy(proxy, token):
    before = proxy.stat("cluster.faregate.upstream_rq_total")
    with refused("UNAUTHENTICATED") as seen:
        proxy.client(token).ListBookings()
    assert seen[0].reason == "", "our refusals have a reason, Envoy's has none"
    assert proxy.stat("cluster.faregate.upstream_rq_total") == before
    return seen[0].message


def test_good_tokens_pass(world, envoy):
    ann = world.traveller("Ann", envoy)
    before = envoy.stat("http.clients.jwt_authn.allowed")
    assert ann.GetUser(name="users/me").email == ann.email
    ann.ListBookings()
    assert envoy.stat("http.clients.jwt_authn.allowed") >= before + 2


@pytest.mark.parametrize("make", [
    lambda token: forged(token),
    lambda token: token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB"),
    lambda token: "not.a.token",
])
def test_bad_tokens_end_at_the_proxy(world, envoy, make):
    ann = world.traveller("Ann", envoy)
    assert "Jwt" in refused_by_envoy(envoy, make(ann.token))


def test_expired_tokens_end_at_the_proxy(world, dev):
    """With a clock skew of one minute, which is Envoy's default; the test takes it away."""
    with dev.sibling("--access-token-seconds=1") as server, Envoy([server], changes=[
            ("                  forward: true\n", "                  forward: true\n                  clock_skew_seconds: 1\n")
            ]) as proxy:
        ann = world.traveller("Ann", proxy)
        # RefreshSession and CreateSession do not look at it: that is how a client gets out of this.
        until(lambda: decode(ann.token.split(".")[1])["exp"] + 3 < time.time(), 15, "the token is old", every=0.1)
        assert "expired" in refused_by_envoy(proxy, ann.token)
        assert ann.RefreshSession(refresh_token=ann.tokens.refresh_token).access_token


def test_keys_change_without_a_refusal(world, dev, tmp_path):
    """A key that is to come is published; once it signs, tokens of both keys pass, at Envoy and at the server."""
    keys = tmp_path / "keys"
    shutil.copytree(f"{dev.data}/keys", keys)

    def key_of(user):
        return decode(user.token.split(".")[0])["kid"]

    with dev.sibling(keys=keys) as server, Envoy([server], changes=[("cache_duration: 300s", "cache_duration: 1s")]) as proxy:
        ann = world.traveller("Ann", proxy)
        due = int(time.time()) + 5
        add_token_key(keys, due)
        server.process.send_signal(signal.SIGHUP)

        def published_keys():
            kids = {key["kid"] for key in json.loads(server.http("/.well-known/jwks.json")[1])["keys"]}
            return len(kids) == len(list(keys.iterdir())) >= 2 and kids
        published = until(published_keys, 5, "the new key is published")
        assert key_of(ann) in published
        until(lambda: time.time() > due + 1, 15, "the new key is due", every=0.1)
        bob = world.traveller("Bob", proxy)
        assert key_of(bob) in published - {key_of(ann)}
        for user in (ann, bob):
            assert user.GetUser(name="users/me").email == user.email
            user.ListBookings()
