"""The other ways to connect: TLS from clients to the proxy, TLS and unix sockets from the proxy to the server."""

import subprocess

import grpc

from front import Envoy, HAProxy, Nginx
from kit.client import Client, refused



def secure(proxy, key=None, chain=None, agent="edge"):
    """A client on the TLS port of the shipped envoy.yaml."""
    root = (proxy.files / "proxy-certificate.pem").read_bytes()
    client = Client(f"localhost:{proxy.tls_port}", root=root)
    client.channel = grpc.secure_channel(client.target, grpc.ssl_channel_credentials(root, key, chain), options=[
        ("grpc.use_local_subchannel_pool", 1), ("grpc.primary_user_agent", agent)])
    return client


def certificate(folder, authority, name):
    """(key, chain) of a client, signed by whom the proxy trusts."""
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                    f"/CN={name}", "-keyout", folder / "key.pem", "-out", folder / "request.pem"], check=True,
                   stderr=subprocess.DEVNULL)
    (folder / "extensions").write_text(f"subjectAltName=URI:spiffe://faregate.example/{name},DNS:{name}.example\n")
    subprocess.run(["openssl", "x509", "-req", "-in", folder / "request.pem", "-CA", authority / "client-ca.pem", "-CAkey",
                    authority / "proxy-key.pem", "-CAcreateserial", "-CAserial", folder / "serial", "-days", "2", "-extfile",
                    folder / "extensions", "-out", folder / "chain.pem"], check=True, stderr=subprocess.DEVNULL)
    return (folder / "key.pem").read_bytes(), (folder / "chain.pem").read_bytes()


def test_tls_at_the_edge(world, envoy):
    """With no certificate of the client's."""
    client = secure(envoy)
    user = world.traveller("Ann", envoy)
    client.token = user.token
    assert client.GetUser(name="users/me").email == user.email


def test_client_certificates_at_the_edge(world, envoy, tmp_path):
    """One that the proxy trusts is let in, one that it does not know is not."""
    assert secure(envoy, *certificate(tmp_path, envoy.files, "agency")).SearchPlaces(query="london").places
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=stranger", "-keyout", stranger / "proxy-key.pem", "-out", stranger / "client-ca.pem"],
                   check=True, stderr=subprocess.DEVNULL)
    with refused("UNAVAILABLE"):
        secure(envoy, *certificate(stranger, stranger, "stranger")).ask("SearchPlaces", query="london", timeout=5)
    assert sum(envoy.stats("listener.*ssl.fail_verify_error").values()) > 0


def test_tls_to_the_server(world, dev):
    """The server insists on ALPN h2 and TLS 1.2 or better; each proxy can be told to speak it."""
    trust, clear, sealed = f"{dev.data}/tls-certificate.pem", str(dev.port), str(dev.port + 1)
    context = f"""\
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
        sni: localhost
        common_tls_context:
          alpn_protocols: [h2]
          validation_context: {{trusted_ca: {{filename: {trust}}}}}
    circuit_breakers: """

    class EnvoyTls(Envoy):
        def addresses(self):
            return [("    circuit_breakers: ", context), *super().addresses(),
                    (f"127.0.0.1, port_value: {clear}}}", f"127.0.0.1, port_value: {sealed}}}")]

        def hosts(self, cluster="faregate"):
            return {port - 1: flags for port, flags in super().hosts(cluster).items()}

    class HAProxyTls(HAProxy):
        def addresses(self):
            return [("default-server proto h2", f"default-server ssl verify required ca-file {trust} sni str(localhost) "
                     "verifyhost localhost alpn h2 no-check-ssl"), *super().addresses(),
                    (f"127.0.0.1:{clear} ", f"127.0.0.1:{sealed} ")]

    class NginxTls(Nginx):
        def addresses(self):
            return [("grpc_pass grpc://", "grpc_pass grpcs://"),
                    ("        grpc_buffer_size", f"        grpc_ssl_trusted_certificate {trust};\n        grpc_ssl_verify on;\n"
                     "        grpc_ssl_name localhost;\n        grpc_ssl_server_name on;\n        grpc_buffer_size"),
                    *super().addresses(), (f"127.0.0.1:{clear} ", f"127.0.0.1:{sealed} ")]

    for kind in (EnvoyTls, HAProxyTls, NginxTls):
        with kind([dev]) as proxy:
            assert world.traveller("Ann", proxy).GetUser(name="users/me").name, kind


def test_a_sidecar_on_a_unix_socket(world, dev, tmp_path):
    """No port at all between proxy and server."""
    path = tmp_path / "grpc.sock"

    class EnvoyUnix(Envoy):
        def addresses(self):
            port = f"{{socket_address: {{address: 127.0.0.1, port_value: {self.servers[0].port}}}}}"
            return [("type: STRICT_DNS", "type: STATIC"), *super().addresses(), (port, f"{{pipe: {{path: {path}}}}}")]

        def healthy(self):
            return self.stat("cluster.faregate.membership_healthy") == self.stat("cluster.faregate-auth.membership_healthy") == 1

    with dev.sibling(f"--listen=unix:{path}") as server, EnvoyUnix([server]) as proxy:
        assert world.traveller("Ann", proxy).GetUser(name="users/me").name
