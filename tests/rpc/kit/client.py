"""A caller: `ann.CreateBooking(offer=..., mode="HOLD")`. Methods are found by name, a missing request_id is made,
errors are judged with `refused(code, reason, field)`."""

import contextlib
import uuid

import grpc

from kit import fields as answer_fields, stubs

# A connection for each client: by default grpcio shares them within the process. min_reconnect_backoff is how long an
# attempt to connect may take: a machine that stands still must not end one.
OPTIONS = [("grpc.enable_retries", 0), ("grpc.max_send_message_length", 64 << 20), ("grpc.use_local_subchannel_pool", 1),
           ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.min_reconnect_backoff_ms", 20000),
           ("grpc.max_reconnect_backoff_ms", 300)]


class Refusal:
    """What a failed call said: code, reason, fields, facts, retry advice."""

    def __init__(self, error):
        self.code = error.code()
        self.message = error.details()
        self.reason, self.domain, self.facts = "", "", {}
        self.fields, self.retry_s, self.kinds = [], None, []
        trailers = dict(error.trailing_metadata() or ())
        self.pushback_ms = trailers.get("grpc-retry-pushback-ms")
        self.replayed = trailers.get("idempotent-replayed") == "true"
        status = stubs.status.Status.FromString(trailers.get("grpc-status-details-bin", b""))
        if status.details:
            assert status.code == self.code.value[0], "the details repeat the code of the call"
        for any_ in status.details:
            self.kinds.append(any_.type_url.rpartition(".")[2])
            self._take(any_)
        assert len(self.kinds) == len(set(self.kinds)), f"each detail at most once: {self.kinds}"

    def _take(self, any_):
        info, bad, retry = stubs.details.ErrorInfo(), stubs.details.BadRequest(), stubs.details.RetryInfo()
        if any_.Unpack(info):
            self.reason, self.domain, self.facts = info.reason, info.domain, dict(info.metadata)
        elif any_.Unpack(bad):
            self.fields = [v.field for v in bad.field_violations]
        elif any_.Unpack(retry):
            self.retry_s = retry.retry_delay.ToTimedelta().total_seconds()

    def __repr__(self):
        return f"{self.code.name} {self.reason} {self.fields} {self.facts} {self.message!r}"


@contextlib.contextmanager
def refused(code, reason=None, field=None):
    """The block must fail exactly so. Yields a list that holds the Refusal afterwards."""
    seen = []
    try:
        yield seen
    except grpc.RpcError as error:
        refusal = Refusal(error)
        seen.append(refusal)
        assert refusal.code.name == code, refusal
        if reason is not None:
            assert refusal.reason == reason and refusal.domain == "faregate", refusal
        if field is not None:
            assert field in refusal.fields, refusal
        if reason is not None and refusal.fields:
            assert f" {refusal.fields[0]}" in refusal.message, f"many log the message alone: {refusal}"
        return
    raise AssertionError(f"expected {code} {reason}, but the call succeeded")


class Answer:
    def __init__(self, message, raw, trailers):
        self.message, self.raw = message, raw
        self.replayed = trailers.get("idempotent-replayed") == "true"
        self.trailers = trailers


def new_id():
    return str(uuid.uuid4())


class Client:
    def __init__(self, target, token=None, root=None):
        self.target, self.token = target, token
        if root is None:
            self.channel = grpc.insecure_channel(target, options=OPTIONS)
        else:
            self.channel = grpc.secure_channel(target, grpc.ssl_channel_credentials(root), options=OPTIONS)
        self.email = self.password = self.tokens = None

    def request(self, name, /, **fields):
        cls = stubs.METHODS[name][1]
        if "request_id" in cls.DESCRIPTOR.fields_by_name:
            fields.setdefault("request_id", new_id())
        return cls(**fields)

    def ask(self, name, request=None, /, timeout=10, metadata=(), **fields):
        """The call with all that came back."""
        path, _, reply = stubs.METHODS[name]
        request = request if request is not None else self.request(name, **fields)
        method = self.channel.unary_unary(path, type(request).SerializeToString, lambda raw: raw)
        if self.token:
            metadata = [("authorization", "Bearer " + self.token), *metadata]
        raw, call = method.with_call(request, timeout=timeout, metadata=metadata)
        message = reply.FromString(raw)
        answer_fields.note(message)
        return Answer(message, raw, dict(call.trailing_metadata() or ()))

    def raw(self, path, body, timeout=5, metadata=()):
        """Any bytes to any path, still in a proper gRPC frame."""
        if self.token:
            metadata = [("authorization", "Bearer " + self.token), *metadata]
        return self.channel.unary_unary(path)(body, timeout=timeout, metadata=metadata)

    def __getattr__(self, name):
        if name not in stubs.METHODS:
            raise AttributeError(name)
        return lambda *args, **fields: self.ask(name, *args, **fields).message

    def again(self):
        """The same user on a connection of its own."""
        other = Client(self.target, self.token)
        other.email, other.password, other.tokens = self.email, self.password, self.tokens
        return other

    def close(self):
        self.channel.close()

    def log_in(self, email, password):
        self.email, self.password = email, password
        self.tokens = self.CreateSession(email=email, password=password).tokens
        self.token = self.tokens.access_token
        return self
