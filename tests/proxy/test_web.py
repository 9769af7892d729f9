"""Browsers and plain HTTP through Envoy: gRPC-Web with the client that browsers use, JSON with curl's means."""

import base64
import json
import os
import subprocess
import threading

import pytest

from front import BUILD, DESCRIPTORS, ROOT, Envoy
from kit import stubs
from kit.client import new_id
from kit.instance import until
from kit.world import PASSWORD


def ask(proxy, method, text_format="text", metadata=None, /, **fields):
    """One call of npm grpc-web: ([message], error event or None)."""
    path, request, reply = stubs.METHODS[method]
    call = {"host": f"http://{proxy.target}", "path": path, "format": text_format, "metadata": metadata or {},
            "body": base64.b64encode(request(**fields).SerializeToString()).decode()}
    done = subprocess.run(["node", ROOT / "tests/proxy/web_client.js"], input=json.dumps(call), capture_output=True,
                          text=True, timeout=30, env={**os.environ, "NODE_PATH": str(BUILD / "web/node_modules")})
    assert done.returncode == 0, done.stderr
    got = [json.loads(line) for line in done.stdout.splitlines()]
    messages = [reply.FromString(base64.b64decode(e["body"])) for e in got if e["event"] == "message"]
    return messages, next((e for e in got if e["event"] == "error"), None)


# ---- gRPC-Web


@pytest.mark.parametrize("text_format", ["text", "binary"])
def test_grpc_web_unary(world, envoy, text_format):
    (places,), error = ask(envoy, "SearchPlaces", text_format, query="london")
    assert error is None and any(p.city == "London" for p in places.places)


def test_grpc_web_failures_keep_code_message_and_details(world, envoy):
    messages, error = ask(envoy, "GetFlight", name="flights/AA")
    assert not messages and error["code"] == 3 and "field" in error["message"]
    details = stubs.status.Status.FromString(base64.b64decode(error["metadata"]["grpc-status-details-bin"] + "=="))
    assert details.code == 3 and len(details.details) >= 2
    _, error = ask(envoy, "ListBookings")
    assert error["code"] == 16


def test_grpc_web_with_a_token(world, envoy):
    ann = world.traveller("Web", envoy)
    (user,), error = ask(envoy, "GetUser", "text", {"authorization": "Bearer " + ann.token}, name="users/me")
    assert error is None and user.email == ann.email


def test_grpc_web_server_stream(world, dev):
    """A watch in a browser: what is true now, then the drain, then the end of the stream with its status."""
    with dev.sibling("--lame-duck-ms=300") as server, Envoy([server]) as proxy:
        process = subprocess.Popen(
            ["node", ROOT / "tests/proxy/web_stream.mjs", f"http://{proxy.target}", DESCRIPTORS, "grpc.health.v1.Health",
             "watch", '{"service": "readiness"}'], env={**os.environ, "WEB_MODULES": str(BUILD / "web")},
            stdout=subprocess.PIPE, text=True)
        lines = []
        reader = threading.Thread(target=lambda: lines.extend(map(json.loads, process.stdout)))
        reader.start()
        try:
            until(lambda: lines, 15, "the first message")
            assert server.stop() == 0
            reader.join(15)
        finally:
            process.kill()
            process.wait()
            reader.join()
        assert [e["message"]["status"] for e in lines[:2]] == ["SERVING", "NOT_SERVING"]
        assert lines[2]["event"] == "error" and lines[2]["code"] == 14 and "shutting down" in lines[2]["message"]


def test_cors(envoy):
    """A page of ours may call and read what failed; another page may not."""
    path = "/faregate.v1.FlightService/SearchPlaces"
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,x-grpc-web"}
    status, headers, _ = envoy.http("OPTIONS", path, headers={"origin": "https://www.faregate.example", **asked})
    assert status == 200 and headers["access-control-allow-origin"] == "https://www.faregate.example"
    assert "x-grpc-web" in headers["access-control-allow-headers"]
    status, headers, _ = envoy.http("POST", path, b"\0\0\0\0\0", {
        "origin": "https://www.faregate.example", "content-type": "application/grpc-web+proto", "x-grpc-web": "1"})
    assert status == 200 and "grpc-status-details-bin" in headers["access-control-expose-headers"]
    _, headers, _ = envoy.http("OPTIONS", path, headers={"origin": "https://evil.example", **asked})
    assert "access-control-allow-origin" not in headers


# ---- JSON


class Json:
    def __init__(self, proxy, token=None):
        self.proxy, self.token = proxy, token

    def __call__(self, method, **fields):
        return self.raw(method, json.dumps(fields).encode())

    def raw(self, method, body):
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = "Bearer " + self.token
        status, headers, body = self.proxy.http("POST", f"/faregate.v1.{method}", body, headers)
        assert headers["content-type"].startswith("application/json"), (status, headers, body)
        return status, json.loads(body)


def test_json_the_main_job(world, envoy):
    """Register, log in, search, hold, pay and read the ticket with nothing but HTTP and JSON."""
    call, email = Json(envoy), f"json.{new_id()[:8]}@example.org"
    status, user = call("AuthService/CreateUser", email=email, password=PASSWORD, requestId=new_id())
    assert status == 200 and user["email"] == email and user["state"] == "ACTIVE"
    status, session = call("AuthService/CreateSession", email=email, password=PASSWORD, requestId=new_id())
    call.token = session["tokens"]["accessToken"]
    origin, destination, day = world.trip()
    status, found = call("FlightService/SearchOffers", cabin="ECONOMY", pageSize=1, currencyCode="USD", maxConnections=0,
                         passengers=[{"type": "ADULT", "count": 1}], slices=[{
                             "origin": origin, "destination": destination,
                             "departureDate": {"year": day.year, "month": day.month, "day": day.day}}])
    assert status == 200, found
    offer = found["offers"][0]
    status, booking = call("BookingService/CreateBooking", offer=offer["name"], mode="HOLD", requestId=new_id(),
                           expectedTotal=offer["price"]["total"], passengers=[{
                               "type": "ADULT", "givenName": "Ann", "surname": "Lee", "email": email,
                               "birthDate": {"year": 1990, "month": 5, "day": 17}}])
    assert status == 200 and booking["state"] == "HELD", booking
    status, intent = call("PaymentService/CreatePaymentIntent", parent=booking["name"], amount=booking["balance"]["due"],
                          paymentMethod=world.card(), confirm=True, requestId=new_id())
    assert status == 200, intent

    def paid():
        return call("BookingService/GetBooking", name=booking["name"])[1]["state"] == "CONFIRMED"

    until(paid, 15, "the booking is paid", every=0.1)
    booking = call("BookingService/GetBooking", name=booking["name"])[1]
    assert len(booking["tickets"]) == 1 and booking["tickets"][0]["number"].isdigit()
    assert booking["balance"]["due"]["units"] == "0", "zeroes are printed, 64-bit numbers as text"


@pytest.mark.parametrize("method, fields, http_status, code, reason", [
    ("FlightService/GetFlight", {"name": "no-flight"}, 400, 3, "FIELD_INVALID"),
    ("BookingService/ListBookings", {}, 401, 16, "TOKEN_MISSING"),
    ("AuthService/CreateSession", {"email": "nobody@example.org", "password": PASSWORD, "requestId": new_id()}, 401, 16,
     "CREDENTIALS_INVALID"),
    ("FlightService/GetFlight", {"name": "flights/00000000-0000-4000-8000-000000000000"}, 404, 5, "NOT_FOUND"),
])
def test_json_failures_have_status_and_details(world, envoy, method, fields, http_status, code, reason):
    status, body = Json(envoy)(method, **fields)
    info = next((d for d in body.get("details", []) if d["@type"].endswith("google.rpc.ErrorInfo")), None)
    assert (status, body["code"], info and info["reason"]) == (http_status, code, reason), (status, body)
    assert info["domain"] == "faregate"


def test_json_that_is_none(envoy):
    """Envoy refuses what does not fit the descriptor set, before it costs the server anything."""
    status, _, body = envoy.http("POST", "/faregate.v1.FlightService/SearchPlaces", b'{"query": 7', {
        "content-type": "application/json"})
    assert status == 400, body
    status, _, _ = envoy.http("POST", "/faregate.v1.FlightService/NoSuchMethod", b"{}", {"content-type": "application/json"})
    assert status == 404
