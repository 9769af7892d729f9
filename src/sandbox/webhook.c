/* Webhooks out: signed events, posted in order of due time, tried again a few times.
 * Called by the handlers (emit) and by psp.c, whose waiting it does with curl_multi_poll.
 * What must stay true: a slow receiver delays nothing but its own events. */
#include "sandbox/internal.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define TRIES_MAX 5
#define RETRY_MS 1000
#define IN_FLIGHT_MAX 4
#define POST_TIMEOUT_MS 5000L

struct event {
    struct list node;
    int64_t due_ms;
    unsigned tries;
    char *body;
    CURL *easy; /* in flight */
    struct curl_slist *headers;
};

struct webhooks {
    const struct sandbox_options *options;
    CURLM *multi;
    struct list waiting;
    struct list in_flight;
    unsigned waiting_count;
    unsigned in_flight_count;
    uint64_t dropped;
};

int webhooks_new(struct webhooks **ret_webhooks, const struct sandbox_options *options)
{
    struct webhooks *webhooks = calloc(1, sizeof(*webhooks));
    CHECK(webhooks);
    webhooks->options = options;
    list_init(&webhooks->waiting);
    list_init(&webhooks->in_flight);
    webhooks->multi = curl_multi_init();
    if (!webhooks->multi) {
        free(webhooks);
        return -ENOMEM;
    }
    *ret_webhooks = webhooks;
    return 0;
}

static void post_end(struct webhooks *webhooks, struct event *event)
{
    curl_multi_remove_handle(webhooks->multi, event->easy);
    curl_easy_cleanup(event->easy);
    curl_slist_free_all(event->headers);
    event->easy = NULL;
    event->headers = NULL;
    list_remove(&event->node);
    webhooks->in_flight_count--;
}

static void event_free(struct event *event)
{
    free(event->body);
    free(event);
}

struct webhooks *webhooks_free(struct webhooks *webhooks)
{
    if (!webhooks)
        return NULL;
    list_for_each(node, &webhooks->in_flight) {
        struct event *event = list_entry(node, struct event, node);
        post_end(webhooks, event);
        event_free(event);
    }
    list_for_each(node, &webhooks->waiting)
        event_free(list_entry(node, struct event, node));
    curl_multi_cleanup(webhooks->multi);
    free(webhooks);
    return NULL;
}

static void event_wait(struct webhooks *webhooks, struct event *event, int64_t due_ms)
{
    event->due_ms = due_ms;
    list_append(&webhooks->waiting, &event->node);
    webhooks->waiting_count++;
}

void webhooks_emit(struct webhooks *webhooks, const char *type, json_t *object, int64_t now_ms,
                   unsigned copies, uint32_t late_ms)
{
    if (!webhooks || !webhooks->options->webhook_url)
        return;
    char id[SANDBOX_ID_BYTES];
    sandbox_id(id, "evt_");
    json_t *json =
        json_pack("{s:s,s:s,s:s,s:I,s:b,s:{s:O}}", "id", id, "object", "event", "type", type,
                  "created", (json_int_t)(now_ms / 1000), "livemode", 0, "data", "object", object);
    CHECK(json);
    /* A delivery that comes twice is the same event, byte for byte. */
    for (unsigned i = 0; i < copies; i++) {
        if (webhooks->waiting_count >= webhooks->options->events_max) {
            webhooks->dropped++;
            continue;
        }
        struct event *event = calloc(1, sizeof(*event));
        CHECK(event);
        event->body = json_dumps(json, JSON_COMPACT);
        CHECK(event->body);
        event_wait(webhooks, event, now_ms + late_ms);
    }
    json_decref(json);
}

/* "Stripe-Signature: t=SECONDS,v1=HEX", HMAC-SHA256 over "t.body". */
static struct curl_slist *signature(const char *secret, const char *body, int64_t now_ms)
{
    char *signed_text = NULL;
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_bytes = 0;
    char header[160];
    int n = asprintf(&signed_text, "%" PRId64 ".%s", now_ms / 1000, body);
    CHECK(n > 0);
    CHECK(HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)signed_text,
               (size_t)n, mac, &mac_bytes));
    free(signed_text);
    int at = snprintf(header, sizeof(header), "Stripe-Signature: t=%" PRId64 ",v1=", now_ms / 1000);
    CHECK(at > 0 && (size_t)at + 2 * mac_bytes < sizeof(header));
    for (unsigned i = 0; i < mac_bytes; i++)
        at += snprintf(header + at, sizeof(header) - (size_t)at, "%02x", mac[i]);
    return curl_slist_append(NULL, header);
}

static size_t discard(char *data, size_t size, size_t count, void *cls)
{
    (void)data, (void)cls;
    return size * count;
}

static void post_start(struct webhooks *webhooks, struct event *event, int64_t now_ms)
{
    list_remove(&event->node);
    webhooks->waiting_count--;
    list_append(&webhooks->in_flight, &event->node);
    webhooks->in_flight_count++;
    event->tries++;
    event->easy = curl_easy_init();
    event->headers = signature(webhooks->options->webhook_secret, event->body, now_ms);
    CHECK(event->easy && event->headers);
    CHECK(curl_slist_append(event->headers, "Content-Type: application/json"));
    curl_easy_setopt(event->easy, CURLOPT_URL, webhooks->options->webhook_url);
    curl_easy_setopt(event->easy, CURLOPT_POSTFIELDS, event->body);
    curl_easy_setopt(event->easy, CURLOPT_HTTPHEADER, event->headers);
    curl_easy_setopt(event->easy, CURLOPT_TIMEOUT_MS, POST_TIMEOUT_MS);
    curl_easy_setopt(event->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(event->easy, CURLOPT_PROXY, "");
    curl_easy_setopt(event->easy, CURLOPT_WRITEFUNCTION, discard);
    curl_easy_setopt(event->easy, CURLOPT_PRIVATE, event);
    CHECK(curl_multi_add_handle(webhooks->multi, event->easy) == CURLM_OK);
}

static void posts_finish(struct webhooks *webhooks, int64_t now_ms)
{
    int left = 0;
    CURLMsg *message;
    while ((message = curl_multi_info_read(webhooks->multi, &left))) {
        struct event *event = NULL;
        long status = 0;
        bool failed = message->data.result != CURLE_OK;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &event);
        curl_easy_getinfo(message->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        failed = failed || status < 200 || status > 299;
        post_end(webhooks, event);
        if (failed && event->tries < TRIES_MAX)
            event_wait(webhooks, event, now_ms + (RETRY_MS << (event->tries - 1)));
        else
            event_free(event);
    }
}

/* Starts what is due; returns when the next one is, or -1. */
static int64_t posts_start(struct webhooks *webhooks, int64_t now_ms)
{
    int64_t next_ms = -1;
    list_for_each(node, &webhooks->waiting) {
        struct event *event = list_entry(node, struct event, node);
        if (webhooks->in_flight_count >= IN_FLIGHT_MAX)
            return -1; /* an end of one of them wakes us */
        if (event->due_ms <= now_ms)
            post_start(webhooks, event, now_ms);
        else if (next_ms < 0 || event->due_ms < next_ms)
            next_ms = event->due_ms;
    }
    return next_ms;
}

void webhooks_wait(struct webhooks *webhooks, struct curl_waitfd *fds, unsigned fds_count,
                   int64_t now_ms, int timeout_ms)
{
    int running = 0;
    int64_t next_ms = posts_start(webhooks, now_ms);
    if (next_ms >= 0 && (timeout_ms < 0 || next_ms - now_ms < timeout_ms))
        timeout_ms = (int)(next_ms - now_ms);
    /* curl has no word for "for ever"; a minute is as good. */
    if (timeout_ms < 0)
        timeout_ms = 60000;
    if (webhooks->in_flight_count > 0)
        curl_multi_perform(webhooks->multi, &running);
    curl_multi_poll(webhooks->multi, fds, fds_count, timeout_ms, NULL);
    if (webhooks->in_flight_count > 0) {
        curl_multi_perform(webhooks->multi, &running);
        posts_finish(webhooks, now_ms);
    }
}
