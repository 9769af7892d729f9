"""One module a part of the documents; importing this package registers every row."""

from rows import (answers, attacks, framing, frames, hpack, http_messages, intake, life, metadata,  # noqa: F401
                  services, settings, streams, tls, window)
