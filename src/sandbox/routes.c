/* One request from path to answer: the route table, Idempotency-Key, faults, errors in Stripe's
 * shape. Called by serve.c with a parsed request; calls the handlers in intents.c and refunds.c.
 * What must stay true: a key that was answered is answered the same again, whatever else happened.
 */
#include "sandbox/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"

struct route {
    const char *method;
    const char *before_id; /* the path up to the {id}, or all of it */
    const char *after_id;  /* NULL: there is no {id} */
    void (*handle)(struct request *request, struct answer *answer);
    bool keyed; /* honours Idempotency-Key */
};

/* First match wins: search stands before {id}. */
static const struct route routes[] = {
    {"POST", "/v1/payment_intents", NULL, intent_create, true},
    {"GET", "/v1/payment_intents", NULL, intent_list, false},
    {"GET", "/v1/payment_intents/search", NULL, intent_search, false},
    {"GET", "/v1/payment_intents/", "", intent_get, false},
    {"POST", "/v1/payment_intents/", "/confirm", intent_confirm, true},
    {"POST", "/v1/payment_intents/", "/capture", intent_capture, true},
    {"POST", "/v1/payment_intents/", "/cancel", intent_cancel, true},
    {"POST", "/v1/refunds", NULL, refund_create, true},
    {"GET", "/v1/refunds", NULL, refund_list, false},
    {"GET", "/v1/refunds/", "", refund_get, false},
    {"GET", "/v1/balance", NULL, balance_get, false},
    {"POST", "/v1/test_helpers/scenario", NULL, scenario_set, false},
    {"POST", "/v1/test_helpers/payment_intents/", "/authenticate", intent_authenticate, true},
};

static bool path_matches(const struct route *route, struct request *request)
{
    struct str path = str_of(request->path);
    if (!route->after_id)
        return str_eq(path, str_of(route->before_id));
    struct str after = str_of(route->after_id);
    if (!str_skip(&path, str_of(route->before_id)) || path.n <= after.n)
        return false;
    path.n -= after.n;
    if (memcmp(path.p + path.n, after.p, after.n) != 0 || memchr(path.p, '/', path.n))
        return false;
    /* An id too long to be one of ours is still an id: it will not be found. */
    size_t n = path.n < SANDBOX_ID_BYTES ? path.n : SANDBOX_ID_BYTES - 1;
    memcpy(request->object_id, path.p, n);
    request->object_id[n] = '\0';
    if (path.n >= SANDBOX_ID_BYTES)
        request->object_id[0] = '?';
    return true;
}

static const struct route *route_find(struct request *request, bool *ret_path_known)
{
    *ret_path_known = false;
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (!path_matches(&routes[i], request))
            continue;
        *ret_path_known = true;
        if (strcmp(routes[i].method, request->method) == 0)
            return &routes[i];
    }
    return NULL;
}

void answer_error(struct answer *answer, unsigned status, const char *type, const char *code,
                  const char *param, const char *message)
{
    CHECK(!answer->json && !answer->text);
    answer->status = status;
    answer->json = json_pack("{s:{s:s,s:s?,s:s?,s:s}}", "error", "type", type, "code", code,
                             "param", param, "message", message);
    CHECK(answer->json);
}

void answer_bad_param(struct answer *answer, const char *code, const char *param,
                      const char *message)
{
    bool missing = strcmp(code, "resource_missing") == 0 && strcmp(param, "id") == 0;
    answer_error(answer, missing ? 404 : 400, "invalid_request_error", code, param, message);
    answer->unsaved = true;
}

void answer_json(struct answer *answer, json_t *json)
{
    CHECK(json && !answer->json);
    answer->status = 200;
    answer->json = json;
}

bool answer_fault(struct request *request, enum operation op, struct intent *intent,
                  const struct magic *magic, struct answer *answer)
{
    struct scenario *scenario = &request->psp->scenario;
    enum fault fault = FAULT_NONE;
    uint32_t ms = 0;
    uint32_t hidden_ms = 0;
    unsigned bit = 1U << op;
    if (scenario->left > 0 && (scenario->on == OP_ANY || scenario->on == op)) {
        scenario->left--;
        fault = scenario->fault;
        ms = scenario->ms;
        hidden_ms = scenario->hidden_ms;
    } else if (magic && magic->fault_on == op && magic->fault != FAULT_NONE &&
               (op == OP_CONFIRM || !(intent && intent->faults_spent & bit))) {
        /* Confirming is a new attempt each time; a capture or refund that fails for ever could not
         * be recovered from, so those fail once. */
        if (intent && op != OP_CONFIRM) {
            intent->faults_spent |= bit;
            journal_intent(&request->psp->journal, intent);
        }
        fault = magic->fault;
        ms = magic->fault_ms;
        hidden_ms = magic->hidden_ms;
    }
    answer->fault = fault;
    answer->delay_ms = fault == FAULT_SLOW || fault == FAULT_LATE ? ms : 0;
    if (intent && hidden_ms > 0)
        intent->hidden_until_ms = request->now_ms + hidden_ms;
    if (!fault_is_before(fault))
        return false;
    answer_error(answer, 500, "api_error", NULL, NULL, "An unexpected error occurred.");
    answer->unsaved = fault != FAULT_HTTP500 && fault != FAULT_UNCONFIRMED;
    return true;
}

/* True when @answer was decided by an earlier request with the same key. */
static bool replay_key(struct request *request, uint64_t hash, struct answer *answer)
{
    const struct key *key = books_key(&request->psp->books, request->idempotency_key);
    if (!key)
        return false;
    answer->unsaved = true;
    if (key->request_hash != hash) {
        answer_error(answer, 400, "idempotency_error", NULL, NULL,
                     "Keys for idempotent requests can only be used with the same parameters they "
                     "were first used with.");
        return true;
    }
    if (request->now_ms < key->busy_until_ms) {
        answer_error(answer, 409, "idempotency_error", "idempotency_key_in_use", NULL,
                     "Another request with this key is still in progress.");
        return true;
    }
    answer->status = key->status;
    answer->text = strdup(key->body);
    CHECK(answer->text);
    answer->replayed = true;
    return true;
}

static void save_key(struct request *request, uint64_t hash, struct answer *answer)
{
    struct psp *psp = request->psp;
    if (answer->fault == FAULT_CHARGED_THEN_REFUSED) {
        json_decref(answer->json);
        answer->json = NULL;
        answer_error(answer, 400, "invalid_request_error", "charge_already_refunded", NULL,
                     "This has been done already.");
    }
    answer->text = json_dumps(answer->json, JSON_COMPACT);
    CHECK(answer->text);
    struct key *key = books_key_new(request->idempotency_key, hash, answer->status, answer->text);
    key->busy_until_ms = request->now_ms + answer->delay_ms;
    books_key_add(&psp->books, key, psp->options->keys_max);
    journal_key(&psp->journal, key);
}

static uint64_t request_hash(const struct request *request)
{
    uint64_t hash = str_hash(str_of(request->path)) * 31 + str_hash(str_of(request->method));
    return hash ^ form_hash(&request->body);
}

void psp_answer(struct psp *psp, struct request *request, struct answer *ret_answer)
{
    *ret_answer = (struct answer){0};
    bool path_known = false;
    const struct route *route = route_find(request, &path_known);
    psp->requests++;
    if (!route) {
        answer_error(ret_answer, path_known ? 405 : 404, "invalid_request_error", NULL, NULL,
                     "Unrecognized request URL.");
        return;
    }
    bool keyed = route->keyed && request->idempotency_key;
    if (keyed && strlen(request->idempotency_key) > 255) {
        answer_bad_param(ret_answer, "parameter_invalid", "Idempotency-Key",
                         "Idempotency keys are at most 255 characters.");
        return;
    }
    uint64_t hash = keyed ? request_hash(request) : 0;
    if (keyed && replay_key(request, hash, ret_answer))
        return;
    route->handle(request, ret_answer);
    CHECK(ret_answer->status != 0 && ret_answer->json);
    if (keyed && !ret_answer->unsaved)
        save_key(request, hash, ret_answer);
    journal_flush(&psp->journal);
}

bool request_amount(const struct request *request, const char *name, bool required,
                    int64_t *ret_minor, struct answer *answer)
{
    const char *text = form_get(&request->body, name);
    if (!text) {
        if (required)
            answer_bad_param(answer, "parameter_missing", name, "Missing required param.");
        return !required;
    }
    int r = str_int64(str_of(text), 1, SANDBOX_AMOUNT_MAX, ret_minor);
    if (r == 0)
        return true;
    answer_bad_param(answer, r == -ERANGE ? "parameter_invalid_range" : "parameter_invalid_integer",
                     name, "Must be a whole number of minor units, from 1 to 999999999999.");
    return false;
}

/* "metadata[KEY]" to KEY in @ret_key. 0: another field; -EINVAL: malformed or too long. */
static int metadata_key(const char *name, char ret_key[SANDBOX_METADATA_KEY_MAX + 1])
{
    struct str s = str_of(name);
    if (!str_skip(&s, STR("metadata[")))
        return 0;
    if (s.n < 2 || s.p[s.n - 1] != ']' || s.n - 1 > SANDBOX_METADATA_KEY_MAX)
        return -EINVAL;
    memcpy(ret_key, s.p, s.n - 1);
    ret_key[s.n - 1] = '\0';
    return 1;
}

bool request_metadata(const struct request *request, char **ret_metadata, char **ret_reference,
                      struct answer *answer)
{
    size_t bytes = 0;
    unsigned count = 0;
    bool bad = false;
    *ret_metadata = NULL;
    FILE *f = open_memstream(ret_metadata, &bytes);
    CHECK(f);
    for (size_t i = 0; i < request->body.count && !bad; i++) {
        const struct form_field *field = &request->body.fields[i];
        char key[SANDBOX_METADATA_KEY_MAX + 1];
        int r = metadata_key(field->name, key);
        if (r == 0)
            continue;
        bad = r < 0 || ++count > SANDBOX_METADATA_MAX ||
              strlen(field->value) > SANDBOX_METADATA_VALUE_MAX;
        if (!bad)
            form_put(f, key, field->value);
    }
    fclose(f);
    const char *reference = form_get(&request->body, "metadata[reference]");
    *ret_reference = !bad && reference && *reference ? strdup(reference) : NULL;
    if (!bad)
        return true;
    free(*ret_metadata);
    *ret_metadata = NULL;
    answer_bad_param(answer, "parameter_invalid", "metadata",
                     "At most 50 keys of 40 characters with values of 500.");
    return false;
}

json_t *metadata_json(const char *encoded)
{
    struct form form;
    char *copy = strdup(encoded);
    json_t *json = json_object();
    CHECK(copy && json && form_parse(&form, copy) == 0);
    for (size_t i = 0; i < form.count; i++)
        CHECK(json_object_set_new(json, form.fields[i].name, json_string(form.fields[i].value)) ==
              0);
    free(copy);
    return json;
}

static enum operation operation_parse(const char *text)
{
    static const char *const names[] = {
        [OP_CONFIRM] = "confirm", [OP_CAPTURE] = "capture", [OP_CANCEL] = "cancel",
        [OP_REFUND] = "refund",   [OP_INQUIRY] = "inquiry", [OP_ANY] = "any",
    };
    for (size_t i = OP_CONFIRM; i <= OP_ANY; i++)
        if (strcmp(names[i], text) == 0)
            return (enum operation)i;
    return OP_NONE;
}

/* scenario=NAME&on=OPERATION&count=N: the next N such requests suffer the fault. scenario=none ends
 * it. */
void scenario_set(struct request *request, struct answer *answer)
{
    struct scenario next = {.on = OP_ANY, .left = 1};
    const char *name = form_get(&request->body, "scenario");
    const char *on = form_get(&request->body, "on");
    const char *count = form_get(&request->body, "count");
    int64_t left = 1;
    bool none = name && strcmp(name, "none") == 0;
    if (!name || (!none && magic_fault_parse(name, &next.fault, &next.ms, &next.hidden_ms) < 0)) {
        answer_bad_param(answer, "parameter_invalid", "scenario", "No such scenario.");
        return;
    }
    if (on && (next.on = operation_parse(on)) == OP_NONE) {
        answer_bad_param(answer, "parameter_invalid", "on", "No such operation.");
        return;
    }
    if (count && str_int64(str_of(count), 0, UINT32_MAX, &left) < 0) {
        answer_bad_param(answer, "parameter_invalid_integer", "count", "Not a count.");
        return;
    }
    next.left = none ? 0 : (uint32_t)left;
    request->psp->scenario = next;
    answer_json(answer, json_pack("{s:s,s:s,s:s,s:I}", "object", "scenario", "scenario", name, "on",
                                  on ? on : "any", "count", (json_int_t)next.left));
}
