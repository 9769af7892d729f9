#!/usr/bin/env python3
"""The payment simulator over real HTTP: every scenario of src/sandbox/README.md. Standard library and kit.patience only.

Run: FAREGATE=build/release/faregate python3 tests/rpc/test_sandbox.py
"""

import atexit
import glob
import hashlib
import hmac
import http.client
import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

from kit.patience import tries

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
KEY = "sk_test_sandbox"


def binary():
    found = [os.environ["FAREGATE"]] if "FAREGATE" in os.environ else sorted(
        glob.glob(os.path.join(ROOT, "build", "*", "faregate")), key=os.path.getmtime)
    if not found:
        sys.exit("no faregate binary: set FAREGATE")
    return found[-1]


class Sandbox:
    """One simulator process; ask() makes one request on a connection of its own."""

    def __init__(self, *flags):
        self.keyfile = tempfile.NamedTemporaryFile("w", suffix=".key")
        self.keyfile.write(KEY + "\n")
        self.keyfile.flush()
        self.process = subprocess.Popen(
            [binary(), "sandbox-psp", "--port", "0", "--api-key-file", self.keyfile.name, *flags],
            stdout=subprocess.PIPE, text=True)
        atexit.register(self.kill)  # a test that fails half-way leaves nothing running
        self.hello = json.loads(self.process.stdout.readline())
        self.port = self.hello["port"]

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        status = self.process.wait(timeout=10)
        self.process.stdout.close()
        self.keyfile.close()
        return status

    def raw(self, method, path, params=None, key=None, auth="Bearer " + KEY, timeout=5, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if auth:
            headers["Authorization"] = auth
        if key:
            headers["Idempotency-Key"] = key
        if body is None and params is not None:
            body = urllib.parse.urlencode(params)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        finally:
            connection.close()

    def ask(self, method, path, params=None, **options):
        status, body, _ = self.raw(method, path, params, **options)
        return status, json.loads(body)

    def pay(self, method="pm_card_visa", reference=None, amount=4500, **more):
        options = {k: more.pop(k) for k in ("key", "timeout") if k in more}
        params = {"amount": amount, "currency": "eur", "payment_method": method, "confirm": "true",
                  **more}
        if reference:
            params["metadata[reference]"] = reference
        return self.ask("POST", "/v1/payment_intents", params, **options)

    def by_reference(self, reference):
        status, found = self.ask(
            "GET", "/v1/payment_intents?" + urllib.parse.urlencode({"reference": reference}))
        assert status == 200 and found["object"] == "list", found
        return found["data"]

    def books(self, currency="eur"):
        _, balance = self.ask("GET", "/v1/balance")
        return next((b for b in balance["books"] if b["currency"] == currency), None)


class SandboxCase(unittest.TestCase):
    flags = ()

    def setUp(self):
        self.psp = Sandbox(*self.flags)

    def tearDown(self):
        self.assertEqual(self.psp.stop(), 0, "SIGTERM must end it with status 0")

    def assertBooks(self, **expected):
        books = self.psp.books() or {}
        self.assertEqual({k: books.get(k) for k in expected}, expected)


class Payments(SandboxCase):
    def test_a_payment_is_authorised_and_captured_at_once(self):
        status, intent = self.psp.pay(reference="r1")
        self.assertEqual((status, intent["status"], intent["amount_received"]),
                         (200, "succeeded", 4500))
        card = intent["latest_charge"]["payment_method_details"]["card"]
        self.assertEqual((card["brand"], card["last4"]), ("visa", "4242"))
        self.assertTrue(card["fingerprint"])
        self.assertEqual(intent["metadata"], {"reference": "r1"})
        status, again = self.psp.ask("GET", "/v1/payment_intents/" + intent["id"])
        self.assertEqual((status, again), (200, intent))
        self.assertBooks(authorized=4500, captured=4500, refunded=0, held=0)

    def test_create_then_confirm_then_capture_a_part(self):
        status, intent = self.psp.ask("POST", "/v1/payment_intents", {
            "amount": 1000, "currency": "EUR", "capture_method": "manual"})
        self.assertEqual((status, intent["status"]), (200, "requires_payment_method"))
        path = "/v1/payment_intents/" + intent["id"]
        status, error = self.psp.ask("POST", path + "/confirm")
        self.assertEqual((status, error["error"]["code"]), (400, "payment_intent_unexpected_state"))
        status, intent = self.psp.ask("POST", path + "/confirm", {"payment_method": "pm_card_amex"})
        self.assertEqual((status, intent["status"], intent["amount_capturable"]),
                         (200, "requires_capture", 1000))
        status, error = self.psp.ask("POST", path + "/capture", {"amount_to_capture": 1001})
        self.assertEqual((status, error["error"]["code"]), (400, "amount_too_large"))
        self.assertBooks(authorized=1000, held=1000, captured=0, released=0)
        status, intent = self.psp.ask("POST", path + "/capture", {"amount_to_capture": 600})
        self.assertEqual((status, intent["status"], intent["amount_received"]),
                         (200, "succeeded", 600))
        status, error = self.psp.ask("POST", path + "/capture")
        self.assertEqual((status, error["error"]["code"]), (400, "payment_intent_unexpected_state"))
        self.assertBooks(authorized=1000, held=0, captured=600, released=400)

    def test_cancel_releases_the_authorisation(self):
        _, intent = self.psp.pay(capture_method="manual")
        path = "/v1/payment_intents/%s/cancel" % intent["id"]
        status, intent = self.psp.ask("POST", path, {"cancellation_reason": "abandoned"})
        self.assertEqual((status, intent["status"], intent["cancellation_reason"]),
                         (200, "canceled", "abandoned"))
        self.assertEqual(self.psp.ask("POST", path)[0], 400)
        self.assertBooks(authorized=4500, captured=0, released=4500, held=0)

    def test_a_captured_payment_cannot_be_cancelled(self):
        _, intent = self.psp.pay()
        status, error = self.psp.ask("POST", "/v1/payment_intents/%s/cancel" % intent["id"])
        self.assertEqual((status, error["error"]["payment_intent"]["status"]), (400, "succeeded"))

    def test_declines_carry_code_and_intent_and_can_be_tried_again(self):
        for method, code, decline in [
                ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
                ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
                ("pm_card_chargeDeclinedStolenCard", "card_declined", "stolen_card"),
                ("pm_card_chargeDeclinedExpiredCard", "expired_card", None),
                ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
                ("pm_card_chargeDeclinedProcessingError", "processing_error", None)]:
            with self.subTest(method):
                status, body = self.psp.pay(method, reference=method)
                error = body["error"]
                self.assertEqual((status, error["type"], error["code"], error.get("decline_code")),
                                 (402, "card_error", code, decline))
                self.assertEqual(error["payment_intent"]["status"], "requires_payment_method")
                path = "/v1/payment_intents/%s/confirm" % error["payment_intent"]["id"]
                status, intent = self.psp.ask("POST", path, {"payment_method": "pm_card_visa"})
                self.assertEqual((status, intent["status"], intent["last_payment_error"]),
                                 (200, "succeeded", None))

    def test_authentication_succeeds_or_fails(self):
        for outcome, end in (("succeed", "succeeded"), ("fail", "requires_payment_method")):
            _, intent = self.psp.pay("pm_card_authenticationRequired", return_url="https://example.org/paid")
            self.assertEqual(intent["status"], "requires_action")
            self.assertEqual(intent["next_action"]["type"], "redirect_to_url")
            path = "/v1/test_helpers/payment_intents/%s/authenticate" % intent["id"]
            self.assertEqual(self.psp.ask("POST", path, {"outcome": "maybe"})[0], 400)
            status, intent = self.psp.ask("POST", path, {"outcome": outcome})
            self.assertEqual((status, intent["status"]), (200, end))
        self.assertBooks(authorized=4500, captured=4500)

    def test_a_tag_makes_another_card_of_the_same_kind(self):
        prints = set()
        for method in ("pm_card_visa", "pm_card_visa__ann", "pm_card_visa__bob", "pm_card_visa__ann"):
            _, intent = self.psp.pay(method)
            prints.add(intent["latest_charge"]["payment_method_details"]["card"]["fingerprint"])
        self.assertEqual(len(prints), 3)

    def test_found_by_our_reference(self):
        _, intent = self.psp.pay(reference="O'Hare & co=1")
        self.assertEqual(self.psp.by_reference("O'Hare & co=1"), [intent])
        self.assertEqual(self.psp.by_reference("o"), [])
        query = urllib.parse.urlencode({"query": "metadata['reference']:\"O'Hare & co=1\""})
        status, found = self.psp.ask("GET", "/v1/payment_intents/search?" + query)
        self.assertEqual((status, found["object"], found["data"]), (200, "search_result", [intent]))
        query = urllib.parse.urlencode({"query": "amount>1000"})
        self.assertEqual(self.psp.ask("GET", "/v1/payment_intents/search?" + query)[0], 400)
        self.assertEqual(self.psp.ask("GET", "/v1/payment_intents")[0], 400)

    def test_two_payments_may_share_a_reference(self):
        ids = [self.psp.pay(reference="twin")[1]["id"] for _ in range(2)]
        self.assertEqual([i["id"] for i in self.psp.by_reference("twin")], ids[::-1])


class Refusals(SandboxCase):
    def test_amounts_must_be_whole_and_positive_and_small_enough(self):
        for amount in ("-1", "0", "1.5", "1e3", "", " 5", "9223372036854775807",
                       "9223372036854775808", "99999999999999999999", "1000000000000", "0x10"):
            with self.subTest(amount):
                status, body = self.psp.pay(amount=amount)
                self.assertEqual((status, body["error"]["type"], body["error"]["param"]),
                                 (400, "invalid_request_error", "amount"))
        self.assertEqual(self.psp.pay(amount=999999999999)[0], 200)
        self.assertIsNone(self.psp.books("usd"))
        self.assertBooks(authorized=999999999999, payments=1)

    def test_parameters_are_named(self):
        good = {"amount": 1, "currency": "eur"}
        for change, param in (({"currency": "xxx"}, "currency"), ({"currency": "euro"}, "currency"),
                              ({"currency": "e r"}, "currency"), ({"confirm": "yes"}, "confirm"),
                              ({"confirm": "true"}, "payment_method"),
                              ({"payment_method": "pm_card_nobody"}, "payment_method"),
                              ({"payment_method": "pm_sandbox_slow_1x"}, "payment_method"),
                              ({"payment_method": "pm_sandbox_slow_9999999"}, "payment_method"),
                              ({"capture_method": "later"}, "capture_method"),
                              ({"metadata[" + "k" * 41 + "]": "v"}, "metadata"),
                              ({"metadata[k]": "v" * 501}, "metadata"),
                              ({"metadata[]": "v"}, "metadata")):
            with self.subTest(str(change)[:60]):
                status, body = self.psp.ask("POST", "/v1/payment_intents", {**good, **change})
                self.assertEqual((status, body["error"]["param"]), (400, param))

    def test_malformed_requests(self):
        many = "&".join("f%d=1" % i for i in range(65))
        for body in ("amount=%zz", "amount=1%00&x=2", "amount=%ff", "amount=1\0", many, "a=%e0%80%80"):
            status, answer = self.psp.ask("POST", "/v1/payment_intents", body=body)
            self.assertEqual((status, answer["error"]["type"]), (400, "invalid_request_error"))
        self.assertEqual(self.psp.ask("POST", "/v1/payment_intents", body="a" * 70000)[0], 413)
        self.assertEqual(self.psp.ask("GET", "/v1/nothing")[0], 404)
        self.assertEqual(self.psp.ask("GET", "/v1/payment_intents/a/b/c")[0], 404)
        self.assertEqual(self.psp.ask("DELETE", "/v1/payment_intents")[0], 405)
        self.assertEqual(self.psp.ask("GET", "/v1/payment_intents/pi_" + "x" * 200)[0], 404)
        self.assertEqual(self.psp.ask("GET", "/v1/refunds/re_nothing")[0], 404)

    def test_the_key_must_be_right(self):
        for auth in (None, "Bearer", "Bearer sk_test_other", "Basic " + KEY, "Bearer " + KEY + "x"):
            status, body = self.psp.ask("GET", "/v1/balance", auth=auth)
            self.assertEqual((status, body["error"]["type"]), (401, "invalid_request_error"))


class Idempotency(SandboxCase):
    def test_the_first_answer_is_replayed(self):
        params = {"amount": 5, "currency": "eur", "payment_method": "pm_card_visa",
                  "confirm": "true", "metadata[a]": "1"}
        first = self.psp.raw("POST", "/v1/payment_intents", params, key="k1")
        turned = dict(reversed(params.items()))
        second = self.psp.raw("POST", "/v1/payment_intents", turned, key="k1")
        self.assertEqual(first[:2], second[:2])
        self.assertIsNone(first[2]["Idempotent-Replayed"])
        self.assertEqual(second[2]["Idempotent-Replayed"], "true")
        self.assertBooks(payments=1, captured=5)

    def test_other_parameters_are_refused(self):
        self.psp.pay(key="k2")
        for other in (dict(amount=4501), dict(reference="x"), dict(method="pm_card_amex")):
            status, body = self.psp.pay(key="k2", **other)
            self.assertEqual((status, body["error"]["type"]), (400, "idempotency_error"))
        self.assertEqual(self.psp.ask("POST", "/v1/refunds", {"amount": 1}, key="k2")[1]["error"]["type"],
                         "idempotency_error")
        self.assertBooks(payments=1)

    def test_declines_and_500s_are_replayed_but_bad_parameters_are_not(self):
        for method, status in (("pm_card_chargeDeclined", 402), ("pm_sandbox_http500", 500)):
            first = self.psp.pay(method, key=method)
            self.assertEqual(first[0], status)
            self.assertEqual(self.psp.pay(method, key=method), first)
        self.assertEqual(self.psp.pay(amount=0, key="k3")[0], 400)
        self.assertEqual(self.psp.pay(amount=1, key="k3")[0], 200)

    def test_a_request_in_progress_is_a_conflict(self):
        for number in tries(lambda: status != 200):
            key = f"k4{number}"
            slow = threading.Thread(target=self.psp.pay, args=("pm_sandbox_slow_600",),
                                    kwargs={"key": key})
            slow.start()
            time.sleep(0.2)
            status, body = self.psp.pay("pm_sandbox_slow_600", key=key)
            slow.join()
        self.assertEqual((status, body["error"]["code"]), (409, "idempotency_key_in_use"))
        self.assertEqual(self.psp.pay("pm_sandbox_slow_600", key=key)[0], 200)
        self.assertBooks(payments=number)


class Faults(SandboxCase):
    def test_slow_answers_late(self):
        before = time.monotonic()
        status, intent = self.psp.pay("pm_sandbox_slow_300")
        self.assertEqual((status, intent["status"]), (200, "succeeded"))
        self.assertGreaterEqual(time.monotonic() - before, 0.28)

    def test_slow_connections_do_not_delay_others(self):
        for number in tries(lambda: took < 0.7):
            threads = [threading.Thread(target=self.psp.pay, args=("pm_sandbox_slow_700",))
                       for _ in range(20)]
            before = time.monotonic()
            for thread in threads:
                thread.start()
            for _ in range(20):
                self.assertEqual(self.psp.pay()[0], 200)
            took = time.monotonic() - before
            for thread in threads:
                thread.join()
            self.assertBooks(payments=40 * number)
        self.assertLess(took, 0.7)

    def test_http500_charges_nothing(self):
        status, body = self.psp.pay("pm_sandbox_http500", reference="r500")
        self.assertEqual((status, body["error"]["type"]), (500, "api_error"))
        self.assertEqual(self.psp.by_reference("r500"), [])
        self.assertIsNone(self.psp.books())

    def test_charged_then_500_did_it(self):
        status, _, _ = self.psp.raw("POST", "/v1/payment_intents", {
            "amount": 7, "currency": "eur", "payment_method": "pm_sandbox_charged_then_500",
            "confirm": "true", "metadata[reference]": "r502"}, key="k502")
        self.assertEqual(status, 502)
        self.assertEqual([i["status"] for i in self.psp.by_reference("r502")], ["succeeded"])
        # The gateway garbled the answer, not the provider: the same key tells it.
        status, intent = self.psp.pay("pm_sandbox_charged_then_500", reference="r502", amount=7,
                                      key="k502")
        self.assertEqual((status, intent["status"]), (200, "succeeded"))
        self.assertBooks(captured=7, payments=1)

    def test_never_answers_and_charges_nothing(self):
        with self.assertRaises(socket.timeout):
            self.psp.pay("pm_sandbox_never", reference="rn", timeout=0.4)
        self.assertEqual(self.psp.by_reference("rn"), [])
        self.assertIsNone(self.psp.books())

    def test_charged_then_never_did_it(self):
        with self.assertRaises(socket.timeout):
            self.psp.pay("pm_sandbox_charged_then_never", reference="rcn", key="kcn", timeout=0.4)
        found = self.psp.by_reference("rcn")
        self.assertEqual([i["status"] for i in found], ["succeeded"])
        self.assertBooks(captured=4500)

    def test_dropped_connections(self):
        for method, charged in (("pm_sandbox_drop", 0), ("pm_sandbox_charged_then_drop", 1)):
            with self.assertRaises((http.client.RemoteDisconnected, ConnectionResetError)):
                self.psp.pay(method, reference=method)
            self.assertEqual(len(self.psp.by_reference(method)), charged)

    def test_garbage_is_not_json(self):
        with self.assertRaises(json.JSONDecodeError):
            self.psp.pay("pm_sandbox_garbage", reference="rg")
        self.assertEqual(len(self.psp.by_reference("rg")), 1)

    def test_twice_answers_twice_and_charges_once(self):
        body = ("amount=9&currency=eur&payment_method=pm_sandbox_twice&confirm=true"
                "&metadata[reference]=rt")
        with socket.create_connection(("127.0.0.1", self.psp.port), timeout=2) as s:
            s.sendall(("POST /v1/payment_intents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                       "Content-Length: %d\r\n\r\n%s" % (KEY, len(body), body)).encode())
            got = b""
            while got.count(b"HTTP/1.1 200 OK") < 2 or not got.endswith(b"}"):
                got += s.recv(65536)
        parts = got.split(b"HTTP/1.1 200 OK\r\n")
        bodies = [p.split(b"\r\n\r\n", 1)[1] for p in parts[1:]]
        self.assertEqual(len(bodies), 2)
        self.assertEqual(bodies[0], bodies[1])
        self.assertIn(b"Content-Length: %d\r\n" % len(bodies[0]), parts[1])
        self.assertEqual(len(self.psp.by_reference("rt")), 1)
        self.assertBooks(captured=9)

    def test_not_found_until_hides_it_from_inquiry(self):
        for number in tries(lambda: not found):
            reference = f"rh{number}"
            with self.assertRaises(json.JSONDecodeError):
                self.psp.pay("pm_sandbox_not_found_until_500", reference=reference)
            found = self.psp.by_reference(reference)
        self.assertEqual(found, [])
        time.sleep(0.6)
        self.assertEqual([i["status"] for i in self.psp.by_reference(reference)], ["succeeded"])

    def test_a_capture_that_fails_once(self):
        _, intent = self.psp.pay("pm_sandbox_capture_http500", capture_method="manual")
        path = "/v1/payment_intents/%s/capture" % intent["id"]
        self.assertEqual(self.psp.ask("POST", path, key="c1")[0], 500)
        self.assertBooks(captured=0, held=4500)
        self.assertEqual(self.psp.ask("POST", path, key="c2")[0], 200)
        self.assertBooks(captured=4500)

    def test_a_capture_that_comes_too_late(self):
        _, intent = self.psp.pay("pm_sandbox_capture_fails", capture_method="manual")
        status, body = self.psp.ask("POST", "/v1/payment_intents/%s/capture" % intent["id"])
        self.assertEqual((status, body["error"]["code"]), (402, "charge_expired_for_capture"))

    def test_a_refund_that_answers_502_but_happened(self):
        _, intent = self.psp.pay("pm_sandbox_refund_charged_then_500")
        status, _, _ = self.psp.raw("POST", "/v1/refunds", {
            "payment_intent": intent["id"], "metadata[reference]": "rr"})
        self.assertEqual(status, 502)
        _, found = self.psp.ask("GET", "/v1/refunds?reference=rr")
        self.assertEqual([r["status"] for r in found["data"]], ["succeeded"])

    def test_a_scenario_strikes_the_next_n_of_an_operation(self):
        status, _ = self.psp.ask("POST", "/v1/test_helpers/scenario",
                                 {"scenario": "http500", "on": "inquiry", "count": 2})
        self.assertEqual(status, 200)
        _, intent = self.psp.pay()
        path = "/v1/payment_intents/" + intent["id"]
        self.assertEqual([self.psp.ask("GET", path)[0] for _ in range(3)], [500, 500, 200])
        self.psp.ask("POST", "/v1/test_helpers/scenario", {"scenario": "http500", "count": 5})
        self.psp.ask("POST", "/v1/test_helpers/scenario", {"scenario": "none"})
        self.assertEqual(self.psp.pay()[0], 200)
        for bad in ({"scenario": "what"}, {"scenario": "slow", "on": "tuesday"}, {},
                    {"scenario": "slow", "count": "-1"}):
            self.assertEqual(self.psp.ask("POST", "/v1/test_helpers/scenario", bad)[0], 400)

    def test_sigterm_ends_held_connections_too(self):
        thread = threading.Thread(target=lambda: self.assertRaises(
            Exception, self.psp.pay, "pm_sandbox_never"))
        thread.start()
        time.sleep(0.2)
        self.assertEqual(self.psp.stop(), 0)
        thread.join(timeout=5)
        self.assertFalse(thread.is_alive())
        self.psp = Sandbox()


class Refunds(SandboxCase):
    def refund(self, intent, amount=None, **more):
        params = {"payment_intent": intent["id"], **more}
        if amount is not None:
            params["amount"] = amount
        return self.psp.ask("POST", "/v1/refunds", params)

    def test_parts_never_exceed_the_whole(self):
        _, intent = self.psp.pay(amount=100)
        status, refund = self.refund(intent, 60, **{"metadata[reference]": "x1"})
        self.assertEqual((status, refund["status"], refund["amount"]), (200, "succeeded", 60))
        status, error = self.refund(intent, 41)
        self.assertEqual((status, error["error"]["code"]), (400, "amount_too_large"))
        for amount in ("-1", "0", "99999999999999999999"):
            self.assertEqual(self.refund(intent, amount)[0], 400)
        status, rest = self.refund(intent)
        self.assertEqual((status, rest["amount"]), (200, 40))
        status, error = self.refund(intent)
        self.assertEqual((status, error["error"]["code"]), (400, "charge_already_refunded"))
        _, found = self.psp.ask("GET", "/v1/refunds?reference=x1")
        self.assertEqual(found["data"], [refund])
        _, found = self.psp.ask("GET", "/v1/refunds?payment_intent=" + intent["id"])
        self.assertEqual(found["data"], [refund, rest])
        self.assertEqual(self.psp.ask("GET", "/v1/refunds/" + refund["id"]), (200, refund))
        _, intent = self.psp.ask("GET", "/v1/payment_intents/" + intent["id"])
        self.assertTrue(intent["latest_charge"]["refunded"])
        self.assertBooks(captured=100, refunded=100, refunds=2)

    def test_only_captured_money_goes_back(self):
        _, intent = self.psp.pay(capture_method="manual")
        self.assertEqual(self.refund(intent)[1]["error"]["code"], "payment_intent_unexpected_state")
        self.assertEqual(self.refund({"id": "pi_none"})[1]["error"]["code"], "resource_missing")

    def test_a_refund_that_fails_gives_the_amount_back(self):
        for method in ("pm_sandbox_refund_fails", "pm_card_refundFail"):
            _, intent = self.psp.pay(method)
            for _ in range(2):
                status, refund = self.refund(intent)
                self.assertEqual((status, refund["status"]), (200, "failed"))
                self.assertTrue(refund["failure_reason"])
        self.assertBooks(refunded=0, refunds_pending=0)

    def test_a_slow_refund_is_pending_then_settles(self):
        for method, end in (("pm_sandbox_refund_slow_400", "succeeded"),
                            ("pm_sandbox_refund_slow_fails_400", "failed")):
            for _ in tries(lambda: took < 0.4):
                before = self.psp.books()["refunded"] if self.psp.books() else 0
                _, intent = self.psp.pay(method, amount=10)
                began = time.monotonic()
                _, refund = self.refund(intent)
                _, again = self.refund(intent)
                books = self.psp.books()
                took = time.monotonic() - began
                time.sleep(0.5)
            self.assertEqual(refund["status"], "pending")
            self.assertEqual(again["error"]["code"], "charge_already_refunded")
            self.assertEqual(books["refunds_pending"], 10)
            self.assertEqual(self.psp.ask("GET", "/v1/refunds/" + refund["id"])[1]["status"], end)
            self.assertBooks(refunds_pending=0, refunded=before + (10 if end == "succeeded" else 0))


class Journal(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.directory.name, "books")

    def tearDown(self):
        self.directory.cleanup()

    def everything(self, psp, ids):
        return ([psp.ask("GET", "/v1/payment_intents/" + i) for i in ids],
                psp.by_reference("é&=\t+%\n"), psp.ask("GET", "/v1/balance"),
                psp.ask("GET", "/v1/refunds?reference=back"))

    def test_a_restart_forgets_nothing_not_even_after_a_kill(self):
        for how in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(how.name):
                psp = Sandbox("--journal", self.path)
                made = [psp.pay(reference="é&=\t+%\n", key=("é1" + how.name).encode()),
                        psp.pay("pm_card_chargeDeclined", key="decline" + how.name),
                        psp.pay("pm_card_amex__x", capture_method="manual", amount=900)]
                ids = [made[0][1]["id"], made[2][1]["id"]]
                psp.ask("POST", "/v1/payment_intents/%s/capture" % ids[1], {"amount_to_capture": 1})
                psp.ask("POST", "/v1/refunds", {"payment_intent": ids[0], "amount": 5,
                                                "metadata[reference]": "back"})
                before = self.everything(psp, ids)
                psp.stop(how)
                psp = Sandbox("--journal", self.path)
                self.assertEqual(self.everything(psp, ids), before)
                self.assertEqual(psp.pay(reference="é&=\t+%\n", key=("é1" + how.name).encode()), made[0])
                self.assertEqual(psp.pay("pm_card_chargeDeclined", key="decline" + how.name), made[1])
                self.assertEqual(self.everything(psp, ids), before)
                self.assertEqual(psp.stop(), 0)

    def test_a_torn_last_line_never_happened(self):
        psp = Sandbox("--journal", self.path)
        psp.pay(amount=1, key="a")
        psp.pay(amount=2, key="b")
        psp.stop()
        with open(self.path, "r+b") as f:
            f.truncate(os.path.getsize(self.path) - 20)
        psp = Sandbox("--journal", self.path)
        self.assertEqual(psp.books()["captured"], 1)
        self.assertEqual(psp.pay(amount=2, key="b")[0], 200)
        psp.stop()
        psp = Sandbox("--journal", self.path)
        self.assertEqual((psp.books()["captured"], psp.hello["payments"]), (3, 2))
        psp.stop()

    def test_a_broken_journal_or_a_second_process_is_refused(self):
        psp = Sandbox("--journal", self.path)
        command = [binary(), "sandbox-psp", "--port", "0", "--journal", self.path]
        second = subprocess.run(command, capture_output=True, text=True, timeout=10)
        self.assertEqual(second.returncode, 1)
        self.assertIn("another sandbox", second.stderr)
        psp.stop()
        with open(self.path, "a") as f:
            f.write("nonsense\n")
        broken = subprocess.run(command, capture_output=True, text=True, timeout=10)
        self.assertEqual(broken.returncode, 1)
        self.assertIn("not a journal line", broken.stderr)


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.headers["Stripe-Signature"], body))
        self.send_response(500 if self.server.failures > 0 else 200)
        self.server.failures -= 1
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Webhooks(unittest.TestCase):
    def setUp(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        self.server.got, self.server.failures = [], 0
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.psp = Sandbox("--webhook-url",
                           "http://127.0.0.1:%d/hook" % self.server.server_address[1])

    def tearDown(self):
        self.assertEqual(self.psp.stop(), 0)
        self.server.shutdown()
        self.server.server_close()

    def events(self, count, seconds=5):
        until = time.monotonic() + seconds
        while len(self.server.got) < count and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(0.1)
        self.assertEqual(len(self.server.got), count)
        return [json.loads(body) for _, body in self.server.got]

    def test_events_are_signed(self):
        _, intent = self.psp.pay()
        event = self.events(1)[0]
        self.assertEqual((event["type"], event["data"]["object"]),
                         ("payment_intent.succeeded", intent))
        signature, body = self.server.got[0]
        stamp, mac = (part.split("=", 1)[1] for part in signature.split(","))
        expected = hmac.new(b"whsec_sandbox", stamp.encode() + b"." + body, hashlib.sha256)
        self.assertEqual(mac, expected.hexdigest())
        self.assertLess(abs(int(stamp) - time.time()), 5)

    def test_twice_sends_the_same_event_twice(self):
        self.psp.raw("POST", "/v1/payment_intents", {
            "amount": 5, "currency": "eur", "payment_method": "pm_sandbox_twice", "confirm": "true"})
        first, second = self.events(2)
        self.assertEqual(first, second)

    def test_a_failed_delivery_is_tried_again(self):
        self.server.failures = 1
        self.psp.pay()
        first, second = self.events(2)
        self.assertEqual(first["id"], second["id"])


if __name__ == "__main__":
    unittest.main()
