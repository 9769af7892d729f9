"""The main job through each proxy, with the services split over two servers."""

from kit import stubs
from kit.client import refused
from kit.instance import until
from kit.world import PASSWORD, adult, minor


def fly(world, proxy):
    """Register to refund, everything through @proxy."""
    ann = world.traveller("Ann", proxy)
    trip = world.trip()
    assert ann.SearchPlaces(query=trip[0]).places
    offer = ann.GetOffer(name=world.search(trip, ann).offers[0].name)
    booking = ann.CreateBooking(offer=offer.name, mode="HOLD", passengers=[adult()], expected_total=offer.price.total)
    intent = world.intent(ann, world.pay(ann, booking), "CAPTURED")
    booking = world.booking(ann, booking, "CONFIRMED")
    assert minor(intent.amount_captured) == minor(offer.price.total) and len(booking.tickets) == 1
    quote = ann.CreateCancellation(parent=booking.name)
    ann.ConfirmCancellation(name=quote.name, timeout=15)
    booking = world.booking(ann, booking, "CANCELLED")
    assert minor(booking.balance.refunded) == minor(offer.price.total)
    return ann


def test_the_main_job(world, proxy):
    fly(world, proxy)


def test_each_service_reaches_its_server(world, proxy, auth_server, rest_server):
    ann = world.traveller("Ann", proxy)
    ann.SearchPlaces(query="london")
    ann.ListBookings()

    def methods(server):
        return {e.get("method", "") for e in server.events() if e.get("user_agent", "").startswith("grpc-python")}

    until(lambda: "faregate.v1.AuthService/CreateUser" in methods(auth_server) and
          {"faregate.v1.FlightService/SearchPlaces", "faregate.v1.BookingService/ListBookings"} <= methods(rest_server),
          5, "the servers log what reached them")
    assert all(m.startswith("faregate.v1.AuthService/") for m in methods(auth_server) if m)
    assert not any(m.startswith("faregate.v1.AuthService/") for m in methods(rest_server))


def test_refusals_arrive_whole(world, proxy):
    """Status, message, details and fields of a failure are headers; no proxy loses any."""
    ann = world.traveller("Ann", proxy)
    with refused("INVALID_ARGUMENT", "FIELD_INVALID", "slices") as seen:
        ann.SearchOffers(passengers=[{"type": "ADULT", "count": 1}], cabin="ECONOMY", page_size=5)
    assert "BadRequest" in seen[0].kinds
    with refused("NOT_FOUND", "NOT_FOUND"):
        ann.GetBooking(name="bookings/00000000-0000-4000-8000-000000000000")
    with refused("UNAUTHENTICATED", "TOKEN_MISSING"):
        proxy.client().ListBookings()


def test_replays_say_so(world, proxy):
    """What follows the message is trailers; the same request again is told apart by one."""
    ann = proxy.client()
    request = ann.request("CreateUser", email=f"{world.card('replay')}@example.org", password=PASSWORD)
    first, second = ann.ask("CreateUser", request), ann.ask("CreateUser", request)
    assert first.message == second.message and second.replayed and not first.replayed


def test_health_watch_streams(world, proxy):
    """A stream that says something now and then passes through."""
    reply = stubs.health.HealthCheckResponse
    watch = proxy.client().channel.unary_stream(
        "/grpc.health.v1.Health/Watch", stubs.health.HealthCheckRequest.SerializeToString, reply.FromString)
    call = watch(stubs.health.HealthCheckRequest(service="readiness"), timeout=20)
    assert next(call).status == reply.SERVING
    call.cancel()
