/* See proxy.h. Version 1 is a line of text, version 2 is binary. What must stay true: the bytes are
 * a stranger's until the header is whole, so every length is compared before it is used. */
#include "io/proxy.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/str.h"

/* ---- version 1 ---- */

#define V1_BYTES_MAX 107

static const char v1_start[] = "PROXY ";

/* One address and the port that stands two words later. */
static int parse_v1_source(struct str line, bool is_v6, struct endpoint *ret_source)
{
    struct str source = str_cut(&line, ' ');
    struct str destination = str_cut(&line, ' ');
    struct str source_port = str_cut(&line, ' ');
    struct endpoint other;
    int64_t port, other_port;
    if (endpoint_parse_ip(source, ret_source) < 0 || endpoint_parse_ip(destination, &other) < 0 ||
        ret_source->is_v6 != is_v6 || other.is_v6 != is_v6 ||
        str_int64(source_port, 0, UINT16_MAX, &port) < 0 ||
        str_int64(line, 0, UINT16_MAX, &other_port) < 0)
        return -EPROTO;
    ret_source->port = (uint16_t)port;
    return 0;
}

static ssize_t parse_v1(const uint8_t *p, size_t bytes, struct endpoint *ret_source)
{
    size_t seen = bytes < V1_BYTES_MAX ? bytes : V1_BYTES_MAX;
    const uint8_t *end = memchr(p, '\n', seen);
    if (!end)
        return bytes < V1_BYTES_MAX ? -EAGAIN : -EPROTO;
    size_t header_bytes = (size_t)(end - p) + 1;
    size_t start_bytes = sizeof v1_start - 1;
    if (header_bytes < start_bytes + 2 || end[-1] != '\r')
        return -EPROTO;
    struct str line = {.p = (const char *)p + start_bytes, .n = header_bytes - start_bytes - 2};
    bool is_v6 = str_starts(line, STR("TCP6 "));
    /* Whatever follows UNKNOWN is to be ignored. */
    if (str_eq(line, STR("UNKNOWN")) || str_starts(line, STR("UNKNOWN ")))
        return (ssize_t)header_bytes;
    if (!str_skip(&line, STR("TCP4 ")) && !str_skip(&line, STR("TCP6 ")))
        return -EPROTO;
    int r = parse_v1_source(line, is_v6, ret_source);
    return r < 0 ? r : (ssize_t)header_bytes;
}

/* ---- version 2 ---- */

#define V2_FIXED_BYTES 16

static const uint8_t v2_start[12] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                     0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

enum {
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,
    V2_UNSPECIFIED = 0x00,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_UNIX = 0x31,
    TLV_CRC32C = 0x03,
};

static size_t uint16_at(const uint8_t *p)
{
    return (size_t)p[0] << 8 | p[1];
}

/* Castagnoli, over the header with the checksum's own four bytes as zeros. */
static uint32_t crc32c(const uint8_t *p, size_t bytes, const uint8_t *skip)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= p + i >= skip && p + i < skip + 4 ? 0 : p[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0x82f63b78) : 0);
    }
    return ~crc;
}

static bool tlvs_are_right(const uint8_t *header, size_t header_bytes, size_t at)
{
    while (at < header_bytes) {
        if (header_bytes - at < 3)
            return false;
        uint8_t type = header[at];
        size_t length = uint16_at(header + at + 1);
        const uint8_t *value = header + at + 3;
        if (length > header_bytes - at - 3)
            return false;
        if (type == TLV_CRC32C) {
            if (length != 4)
                return false;
            uint32_t said = (uint32_t)uint16_at(value) << 16 | (uint32_t)uint16_at(value + 2);
            if (said != crc32c(header, header_bytes, value))
                return false;
        }
        at += 3 + length;
    }
    return true;
}

/* Where the TLVs begin; 0: no such family. */
static size_t parse_v2_source(const uint8_t *p, size_t header_bytes, struct endpoint *ret_source)
{
    static const uint8_t v4_in_v6[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *a = p + V2_FIXED_BYTES;
    size_t tlvs;
    switch (p[13]) {
    case V2_UNSPECIFIED: /* what follows has no form */
        return header_bytes;
    case V2_TCP4:
        tlvs = V2_FIXED_BYTES + 12;
        break;
    case V2_TCP6:
        tlvs = V2_FIXED_BYTES + 36;
        break;
    case V2_UNIX:
        tlvs = V2_FIXED_BYTES + 216;
        break;
    default: /* datagrams among them: this is a stream */
        return 0;
    }
    if (tlvs > header_bytes)
        return 0;
    if (p[13] == V2_UNIX)
        return tlvs;
    ret_source->kind = ENDPOINT_IP;
    ret_source->is_v6 = p[13] == V2_TCP6;
    if (ret_source->is_v6) {
        memcpy(ret_source->ip, a, 16);
        ret_source->port = (uint16_t)uint16_at(a + 32);
    } else {
        memcpy(ret_source->ip, v4_in_v6, sizeof v4_in_v6);
        memcpy(ret_source->ip + 12, a, 4);
        ret_source->port = (uint16_t)uint16_at(a + 8);
    }
    return tlvs;
}

static ssize_t parse_v2(const uint8_t *p, size_t bytes, struct endpoint *ret_source)
{
    if (bytes < V2_FIXED_BYTES)
        return -EAGAIN;
    size_t header_bytes = V2_FIXED_BYTES + uint16_at(p + 14);
    if ((p[12] != V2_LOCAL && p[12] != V2_PROXY) || header_bytes > PROXY_HEADER_BYTES_MAX)
        return -EPROTO;
    if (bytes < header_bytes)
        return -EAGAIN;
    if (p[12] == V2_LOCAL) /* the proxy's own, a health check: all of it is to be ignored */
        return (ssize_t)header_bytes;
    size_t tlvs = parse_v2_source(p, header_bytes, ret_source);
    if (tlvs == 0 || !tlvs_are_right(p, header_bytes, tlvs))
        return -EPROTO;
    return (ssize_t)header_bytes;
}

ssize_t proxy_parse(const uint8_t *p, size_t bytes, struct endpoint *ret_source)
{
    size_t v1 = sizeof v1_start - 1, v2 = sizeof v2_start;
    ssize_t r = -EPROTO;
    *ret_source = (struct endpoint){.kind = ENDPOINT_NONE};
    if (bytes == 0)
        return -EAGAIN;
    if (memcmp(p, v1_start, bytes < v1 ? bytes : v1) == 0)
        r = bytes < v1 ? -EAGAIN : parse_v1(p, bytes, ret_source);
    else if (memcmp(p, v2_start, bytes < v2 ? bytes : v2) == 0)
        r = bytes < v2 ? -EAGAIN : parse_v2(p, bytes, ret_source);
    if (r < 0)
        *ret_source = (struct endpoint){.kind = ENDPOINT_NONE};
    return r;
}
