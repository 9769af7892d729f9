"""Who the client is, behind a proxy: its address and what its certificate proves, as the server's log tells it. What the
client itself claims is not believed."""

import re

import pytest

from front import ROOT, Envoy, HAProxy, Nginx
from kit import stubs, wire
from kit.ports import free_port
from test_edge import certificate, secure

CLIENT = "127.0.0.7"
PLACES = stubs.METHODS["SearchPlaces"][0]


def listening(dev, options):
    """A server whose listener has @options."""
    port, admin_port = free_port(), free_port()
    return dev.sibling(f"--listen=127.0.0.1:{port},{options}", ports=(port, admin_port))


def told(server, agent):
    """The log's event of the call that brought this user-agent."""
    return server.event(lambda e: agent in e.get("user_agent", ""))


def call_from(address, proxy, agent, **headers):
    query = stubs.METHODS["SearchPlaces"][1](query="london").SerializeToString()
    reply = wire.exchange(proxy.port, PLACES, wire.frame(query), source=address, user_agent=agent, **headers)
    assert reply.status == 0, reply.headers


@pytest.mark.parametrize("kind", [Envoy, HAProxy, Nginx])
def test_forwarded_addresses(world, dev, kind):
    """The proxy's x-forwarded-for is believed, because the listener trusts its address; nothing is that a client says of
    itself, not even in the words of another proxy."""
    with listening(dev, "forwarded=127.0.0.1") as server, kind([server]) as proxy:
        call_from(CLIENT, proxy, "honest")
        assert told(server, "honest")["peer"] == CLIENT and told(server, "honest")["via"].startswith("127.0.0.1:")
        call_from(CLIENT, proxy, "liar", x_forwarded_for="203.0.113.50", x_envoy_external_address="203.0.113.51",
                  x_envoy_expected_rq_timeout_ms="1", x_forwarded_client_cert="URI=spiffe://faregate.example/admin")
        assert told(server, "liar")["peer"] == CLIENT and "identity" not in told(server, "liar")


def test_the_server_of_compose_believes_its_proxy(world, dev):
    """The flags that docker/compose.yml starts it with, on this machine's addresses."""
    text = (ROOT / "docker/compose.yml").read_text()
    believed, options = re.search(r"--listen=0\.0\.0\.0:50051,forwarded=([0-9.]+)([^\"]*)\"", text).groups()
    assert re.search(r"\n  envoy:\n(?:    .*\n)*?        ipv4_address: ([0-9.]+)\n", text).group(1) == believed
    with listening(dev, f"forwarded=127.0.0.1{options}") as server, Envoy([server]) as proxy:
        for address in (CLIENT, "127.0.0.8"):
            call_from(address, proxy, f"at {address}")
            assert told(server, f"at {address}")["peer"] == address


def test_a_proxy_that_is_not_believed_is_told_of(world, dev):
    with dev.sibling() as server, Envoy([server]) as proxy:
        for agent in ("one", "two"):
            call_from(CLIENT, proxy, agent)
            assert told(server, agent)["peer"].startswith("127.0.0.1:")
        events = [e for e in server.events() if e["event"] == "forwarded_not_believed"]
        assert len(events) == 1 and events[0]["peer"].startswith("127.0.0.1:")


@pytest.mark.parametrize("kind", [Envoy, HAProxy])
def test_proxy_protocol(world, dev, kind):
    """The address comes in front of the connection, so each client has connections of its own to the server."""
    wrapped = """\
    transport_socket:
      name: envoy.transport_sockets.upstream_proxy_protocol
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport
        config: {version: V2}
        transport_socket:
          name: envoy.transport_sockets.raw_buffer
          typed_config: {"@type": type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}
    circuit_breakers: """
    changes = {Envoy: ("    circuit_breakers: ", wrapped),
               HAProxy: ("default-server proto h2", "default-server send-proxy-v2 proto h2")}[kind]
    with listening(dev, "proxy=127.0.0.0/8") as server, kind([server], changes=[changes]) as proxy:
        for address in (CLIENT, "127.0.0.8", CLIENT):
            call_from(address, proxy, f"from {address}")
            assert told(server, f"from {address}")["peer"].startswith(address + ":")


def test_certificates_are_passed_on(world, dev, tmp_path):
    """A client's certificate ends at Envoy; who it is comes in x-forwarded-client-cert, which no client can bring."""
    with listening(dev, "forwarded=127.0.0.1,envoy=on") as server, Envoy([server]) as proxy:
        agency = secure(proxy, *certificate(tmp_path, proxy.files, "agency"), agent="agency")
        assert agency.SearchPlaces(query="london").places
        assert told(server, "agency")["identity"] == "spiffe://faregate.example/agency"
        nobody = secure(proxy, agent="nobody")
        nobody.ask("SearchPlaces", query="london",
                   metadata=[("x-forwarded-client-cert", "URI=spiffe://faregate.example/agency")])
        assert "identity" not in told(server, "nobody")
