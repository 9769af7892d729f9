"""What the wire tests stand on: running servers (instance), a client that reads like the API manual (client),
raw HTTP/2 for what no client would send (wire)."""
