"""grpcio-channelz against a server. A process of its own, because its messages and ours have the same names.
channelz.py <target> [<token>]: prints the code that GetServers ended with; with OK it has looked at everything."""

import sys
import time

import grpc
from grpc_channelz.v1 import channelz_pb2 as pb, channelz_pb2_grpc

target, token = sys.argv[1], sys.argv[2:]
metadata = [("authorization", "Bearer " + token[0])] if token else []
channel = grpc.insecure_channel(target)
stub = channelz_pb2_grpc.ChannelzStub(channel)


def ask(name, request):
    return getattr(stub, name)(request, timeout=10, metadata=metadata)


def code(name, request):
    try:
        ask(name, request)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


if code("GetServers", pb.GetServersRequest()) != "OK":
    print(code("GetServers", pb.GetServersRequest()))
    sys.exit()

reply = ask("GetServers", pb.GetServersRequest())
assert reply.end and len(reply.server) == 1
server = reply.server[0]
assert "worker" in server.ref.name
assert server.data.calls_started > 1 and abs(server.data.last_call_started_timestamp.ToSeconds() - time.time()) < 60
server_id = server.ref.server_id
assert ask("GetServer", pb.GetServerRequest(server_id=server_id)).server.ref == server.ref
assert code("GetServer", pb.GetServerRequest(server_id=server_id + 1)) == "NOT_FOUND"
for listener in server.listen_socket:
    socket = ask("GetSocket", pb.GetSocketRequest(socket_id=listener.socket_id)).socket
    assert socket.local.tcpip_address.ip_address == b"\x7f\0\0\1" and socket.local.tcpip_address.port

# More connections of our own, until a page of two does not hold all that this worker has.
others = []
for _ in range(40):
    others.append(grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]))
    grpc.channel_ready_future(others[-1]).result(10)
    page = ask("GetServerSockets", pb.GetServerSocketsRequest(server_id=server_id, max_results=2))
    if not page.end:
        break
refs = list(page.socket_ref)
assert len(refs) == 2 and not page.end
while not page.end:
    page = ask("GetServerSockets", pb.GetServerSocketsRequest(
        server_id=server_id, start_socket_id=refs[-1].socket_id + 1, max_results=2))
    refs += page.socket_ref
ids = [ref.socket_id for ref in refs]
assert ids == sorted(set(ids)) and len(ids) >= 3
ours = []
for ref in refs:
    socket = ask("GetSocket", pb.GetSocketRequest(socket_id=ref.socket_id)).socket
    assert socket.remote.tcpip_address.port and socket.local.tcpip_address.ip_address
    assert "TCP_INFO" in [option.name for option in socket.data.option]
    assert socket.data.remote_flow_control_window.value > 0
    if socket.data.streams_started >= 5 and socket.data.streams_succeeded >= 5:
        ours.append(socket)
        assert socket.data.messages_received >= 5 and socket.data.messages_sent >= 3
        assert abs(socket.data.last_message_sent_timestamp.ToSeconds() - time.time()) < 60
        assert abs(socket.data.last_remote_stream_created_timestamp.ToSeconds() - time.time()) < 60
assert ours, "the connection that asked is among them"
assert not ask("GetSocket", pb.GetSocketRequest(socket_id=ids[0], summary=True)).socket.data.option
assert code("GetSocket", pb.GetSocketRequest(socket_id=1)) == "NOT_FOUND"
top = ask("GetTopChannels", pb.GetTopChannelsRequest())
assert top.end and not top.channel
assert code("GetChannel", pb.GetChannelRequest(channel_id=1)) == "NOT_FOUND"
assert code("GetSubchannel", pb.GetSubchannelRequest(subchannel_id=1)) == "NOT_FOUND"
print("OK")
