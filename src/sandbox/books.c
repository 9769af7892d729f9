/* The books: every payment, refund and saved answer, and the sums over them.
 * Called by the routes and by the journal's replay; it knows neither HTTP nor JSON.
 * What must stay true: captured <= authorised and refunds <= captured, checked whenever one is
 * added. */
#include "sandbox/internal.h"

#include <assert.h>
#include <openssl/rand.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static void *take(size_t bytes)
{
    void *p = calloc(1, bytes);
    CHECK(p);
    return p;
}

/* The trees hold structs whose key is at a fixed place; one comparison each. */
static int intent_id_cmp(const void *a, const void *b)
{
    return strcmp(((const struct intent *)a)->id, ((const struct intent *)b)->id);
}

static int intent_reference_cmp(const void *a, const void *b)
{
    return strcmp(((const struct intent *)a)->reference, ((const struct intent *)b)->reference);
}

static int refund_id_cmp(const void *a, const void *b)
{
    return strcmp(((const struct refund *)a)->id, ((const struct refund *)b)->id);
}

static int refund_reference_cmp(const void *a, const void *b)
{
    return strcmp(((const struct refund *)a)->reference, ((const struct refund *)b)->reference);
}

static int key_id_cmp(const void *a, const void *b)
{
    return strcmp(((const struct key *)a)->id, ((const struct key *)b)->id);
}

static void *tree_find(void *const *root, const void *probe, int (*cmp)(const void *, const void *))
{
    void **node = tfind(probe, root, cmp);
    return node ? *node : NULL;
}

static void keep(void *object)
{
    (void)object; /* the lists own it */
}

void books_init(struct books *books)
{
    *books = (struct books){0};
    list_init(&books->intents);
    list_init(&books->keys);
}

static void key_free(struct key *key)
{
    free(key->id);
    free(key->body);
    free(key);
}

void books_deinit(struct books *books)
{
    tdestroy(books->intents_by_id, keep);
    tdestroy(books->intents_by_reference, keep);
    tdestroy(books->refunds_by_id, keep);
    tdestroy(books->refunds_by_reference, keep);
    tdestroy(books->keys_by_id, keep);
    list_for_each(node, &books->intents)
        books_intent_free(list_entry(node, struct intent, in_books));
    list_for_each(node, &books->keys)
        key_free(list_entry(node, struct key, in_books));
    books_init(books);
}

struct intent *books_intent_new(struct books *books)
{
    CHECK(books);
    struct intent *intent = take(sizeof(*intent));
    list_init(&intent->refunds);
    list_init(&intent->in_books);
    return intent;
}

void books_intent_free(struct intent *intent)
{
    list_for_each(node, &intent->refunds) {
        struct refund *refund = list_entry(node, struct refund, in_intent);
        free(refund->reason);
        free(refund->reference);
        free(refund->metadata);
        free(refund);
    }
    free(intent->cancel_reason);
    free(intent->payment_method);
    free(intent->reference);
    free(intent->metadata);
    free(intent);
}

/* The tree's node points to the newest with a reference; it leads to the older ones. */
void books_intent_add(struct books *books, struct intent *intent)
{
    CHECK(intent->id[0] && intent->metadata);
    CHECK(tsearch(intent, &books->intents_by_id, intent_id_cmp));
    list_append(&books->intents, &intent->in_books);
    books->intents_count++;
    if (!intent->reference)
        return;
    struct intent **node = tsearch(intent, &books->intents_by_reference, intent_reference_cmp);
    CHECK(node);
    if (*node == intent)
        return;
    intent->same_reference = *node;
    *node = intent;
}

struct intent *books_intent(struct books *books, const char *id)
{
    struct intent probe;
    if (strlen(id) >= sizeof(probe.id))
        return NULL;
    strncpy(probe.id, id, sizeof(probe.id));
    return tree_find(&books->intents_by_id, &probe, intent_id_cmp);
}

/* tfind reads nothing of a probe but its key, and only through the comparison above. */
struct intent *books_intent_by_reference(struct books *books, const char *reference)
{
    struct intent probe = {.reference = (char *)(uintptr_t)reference};
    return tree_find(&books->intents_by_reference, &probe, intent_reference_cmp);
}

struct refund *books_refund_new(struct intent *intent)
{
    struct refund *refund = take(sizeof(*refund));
    refund->intent = intent;
    list_init(&refund->in_intent);
    return refund;
}

void books_refund_add(struct books *books, struct refund *refund)
{
    CHECK(refund->id[0] && refund->metadata && refund->amount_minor > 0);
    CHECK(tsearch(refund, &books->refunds_by_id, refund_id_cmp));
    list_append(&refund->intent->refunds, &refund->in_intent);
    CHECK(intent_refunded_minor(refund->intent, refund->created_ms) <=
          refund->intent->captured_minor);
    books->refunds_count++;
    if (!refund->reference)
        return;
    struct refund **node = tsearch(refund, &books->refunds_by_reference, refund_reference_cmp);
    CHECK(node);
    if (*node == refund)
        return;
    refund->same_reference = *node;
    *node = refund;
}

struct refund *books_refund(struct books *books, const char *id)
{
    struct refund probe;
    if (strlen(id) >= sizeof(probe.id))
        return NULL;
    strncpy(probe.id, id, sizeof(probe.id));
    return tree_find(&books->refunds_by_id, &probe, refund_id_cmp);
}

struct refund *books_refund_by_reference(struct books *books, const char *reference)
{
    struct refund probe = {.reference = (char *)(uintptr_t)reference};
    return tree_find(&books->refunds_by_reference, &probe, refund_reference_cmp);
}

struct key *books_key_new(const char *id, uint64_t request_hash, unsigned status, const char *body)
{
    struct key *key = take(sizeof(*key));
    key->id = strdup(id);
    key->body = strdup(body);
    CHECK(key->id && key->body);
    key->request_hash = request_hash;
    key->status = status;
    list_init(&key->in_books);
    return key;
}

struct key *books_key(struct books *books, const char *id)
{
    struct key probe = {.id = (char *)(uintptr_t)id};
    return tree_find(&books->keys_by_id, &probe, key_id_cmp);
}

static void key_forget(struct books *books, struct key *key)
{
    tdelete(key, &books->keys_by_id, key_id_cmp);
    list_remove(&key->in_books);
    books->keys_count--;
    key_free(key);
}

void books_key_add(struct books *books, struct key *key, uint32_t keys_max)
{
    struct key *earlier = books_key(books, key->id);
    if (earlier)
        key_forget(books, earlier);
    CHECK(tsearch(key, &books->keys_by_id, key_id_cmp));
    list_append(&books->keys, &key->in_books);
    books->keys_count++;
    while (books->keys_count > keys_max)
        key_forget(books, list_entry(list_first(&books->keys), struct key, in_books));
}

bool books_intent_settle(struct intent *intent, int64_t now_ms, uint64_t ttl_ms)
{
    if (intent->status != INTENT_REQUIRES_CAPTURE ||
        now_ms - intent->authorized_ms < (int64_t)ttl_ms)
        return false;
    intent->status = INTENT_CANCELED;
    intent->canceled_ms = intent->authorized_ms + (int64_t)ttl_ms;
    intent->cancel_reason = strdup("automatic");
    CHECK(intent->cancel_reason);
    return true;
}

const char *intent_status_name(enum intent_status status)
{
    static const char *const names[] = {
        [INTENT_REQUIRES_PAYMENT_METHOD] = "requires_payment_method",
        [INTENT_REQUIRES_CONFIRMATION] = "requires_confirmation",
        [INTENT_REQUIRES_ACTION] = "requires_action",
        [INTENT_REQUIRES_CAPTURE] = "requires_capture",
        [INTENT_SUCCEEDED] = "succeeded",
        [INTENT_CANCELED] = "canceled",
    };
    CHECK((size_t)status < sizeof(names) / sizeof(names[0]));
    return names[status];
}

const char *refund_status(const struct refund *refund, int64_t now_ms)
{
    if (now_ms < refund->settled_ms)
        return "pending";
    return refund->fails ? "failed" : "succeeded";
}

int64_t intent_refunded_minor(const struct intent *intent, int64_t now_ms)
{
    int64_t sum = 0;
    list_for_each(node, &intent->refunds) {
        const struct refund *refund = list_entry(node, struct refund, in_intent);
        if (!refund->fails || now_ms < refund->settled_ms)
            sum += refund->amount_minor;
    }
    return sum;
}

static struct books_total *total_of(struct books_total *totals, size_t *count, const char *currency)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(totals[i].currency, currency) == 0)
            return &totals[i];
    CHECK(*count < SANDBOX_CURRENCIES_MAX);
    struct books_total *total = &totals[(*count)++];
    *total = (struct books_total){0};
    memcpy(total->currency, currency, sizeof(total->currency));
    return total;
}

static void total_add(struct books_total *total, const struct intent *intent, int64_t now_ms)
{
    total->payments++;
    total->authorized_minor += intent->authorized_minor;
    total->captured_minor += intent->captured_minor;
    int64_t rest = intent->authorized_minor - intent->captured_minor;
    if (intent->status == INTENT_REQUIRES_CAPTURE)
        total->held_minor += rest;
    else
        total->released_minor += rest;
    list_for_each(node, &intent->refunds) {
        const struct refund *refund = list_entry(node, struct refund, in_intent);
        total->refunds++;
        if (now_ms < refund->settled_ms)
            total->refunds_pending_minor += refund->amount_minor;
        else if (!refund->fails)
            total->refunded_minor += refund->amount_minor;
    }
}

size_t books_totals(struct books *books, int64_t now_ms, uint64_t ttl_ms,
                    struct books_total totals[SANDBOX_CURRENCIES_MAX])
{
    size_t count = 0;
    list_for_each(node, &books->intents) {
        struct intent *intent = list_entry(node, struct intent, in_books);
        books_intent_settle(intent, now_ms, ttl_ms);
        CHECK(intent->captured_minor <= intent->authorized_minor);
        total_add(total_of(totals, &count, intent->currency), intent, now_ms);
    }
    return count;
}

bool currency_known(const char *lower)
{
    /* ISO 4217, the currencies one can hold (funds codes, metals and test codes left out). */
    static const char known[] =
        "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd btn "
        "bwp byn bzd cad cdf chf clp cny cop crc cup cve czk djf dkk dop dzd egp ern etb eur fjd "
        "fkp gbp gel ghs gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr iqd irr isk jmd jod jpy "
        "kes kgs khr kmf kpw krw kwd kyd kzt lak lbp lkr lrd lsl lyd mad mdl mga mkd mmk mnt mop "
        "mru mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar "
        "ron rsd rub rwf sar sbd scr sdg sek sgd shp sle sos srd ssp stn svc syp szl thb tjs tmt "
        "tnd top try ttd twd tzs uah ugx usd uyu uzs ves vnd vuv wst xaf xcd xof xpf yer zar zmw "
        "zwl ";
    char probe[5] = {0};
    if (strlen(lower) != 3 || strchr(lower, ' '))
        return false;
    memcpy(probe, lower, 3);
    probe[3] = ' ';
    return strstr(known, probe) != NULL;
}

void sandbox_id(char ret_id[SANDBOX_ID_BYTES], const char *prefix)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789AB";
    static_assert(sizeof(alphabet) == 65, "six bits choose one of 64");
    unsigned char bytes[24];
    CHECK(RAND_bytes(bytes, sizeof(bytes)) == 1);
    size_t n = strlen(prefix);
    CHECK(n + sizeof(bytes) < SANDBOX_ID_BYTES);
    memcpy(ret_id, prefix, n);
    for (size_t i = 0; i < sizeof(bytes); i++)
        ret_id[n + i] = alphabet[bytes[i] & 63];
    ret_id[n + sizeof(bytes)] = '\0';
}
