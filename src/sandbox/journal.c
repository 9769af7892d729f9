/* The journal: one line per request that changed something; in it one record per object, ended by a
 * tab: "intent&id=pi_...&amount=4500&...<TAB>key&...<TAB>". The newest record of an object wins.
 * What must stay true: a line counts whole or not at all, and is written before its request is
 * answered. */
#include "sandbox/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/check.h"
#include "base/str.h"

static int64_t get_int(const struct form *form, const char *name)
{
    int64_t value = 0;
    const char *text = form_get(form, name);
    if (text)
        (void)str_int64(str_of(text), INT64_MIN, INT64_MAX, &value);
    return value;
}

/* Replaces *@text by the form's value; absent means none. */
static void get_text(const struct form *form, const char *name, char **text)
{
    const char *value = form_get(form, name);
    free(*text);
    *text = value ? strdup(value) : NULL;
    CHECK(!value || *text);
}

static int get_id(const struct form *form, const char *name, char ret_id[SANDBOX_ID_BYTES])
{
    const char *value = form_get(form, name);
    if (!value || strlen(value) >= SANDBOX_ID_BYTES)
        return -EINVAL;
    strncpy(ret_id, value, SANDBOX_ID_BYTES);
    return 0;
}

void journal_intent(struct journal *journal, const struct intent *intent)
{
    FILE *f = journal->line;
    if (!f)
        return;
    fputs("intent", f);
    form_put(f, "id", intent->id);
    form_put(f, "charge", intent->charge_id);
    form_put_int(f, "amount", intent->amount_minor);
    form_put_int(f, "authorized", intent->authorized_minor);
    form_put_int(f, "captured", intent->captured_minor);
    form_put(f, "currency", intent->currency);
    form_put_int(f, "status", (int64_t)intent->status);
    form_put_int(f, "manual", intent->capture_manual);
    form_put_int(f, "returns", intent->returns);
    form_put_int(f, "declined", intent->declined);
    form_put_int(f, "spent", (int64_t)intent->faults_spent);
    form_put_int(f, "created_ms", intent->created_ms);
    form_put_int(f, "authorized_ms", intent->authorized_ms);
    form_put_int(f, "canceled_ms", intent->canceled_ms);
    form_put_int(f, "hidden_until_ms", intent->hidden_until_ms);
    if (intent->cancel_reason)
        form_put(f, "cancel_reason", intent->cancel_reason);
    if (intent->payment_method)
        form_put(f, "payment_method", intent->payment_method);
    if (intent->reference)
        form_put(f, "reference", intent->reference);
    form_put(f, "metadata", intent->metadata);
    putc('\t', f);
}

static int replay_intent(struct books *books, const struct form *form)
{
    char id[SANDBOX_ID_BYTES] = "";
    if (get_id(form, "id", id) < 0)
        return -EINVAL;
    struct intent *intent = books_intent(books, id);
    bool is_new = !intent;
    if (is_new) {
        intent = books_intent_new(books);
        memcpy(intent->id, id, sizeof(id));
        /* A reference is for life; only a new object is put under it. */
        get_text(form, "reference", &intent->reference);
    }
    (void)get_id(form, "charge", intent->charge_id);
    intent->amount_minor = get_int(form, "amount");
    intent->authorized_minor = get_int(form, "authorized");
    intent->captured_minor = get_int(form, "captured");
    const char *currency = form_get(form, "currency");
    if (currency && currency_known(currency))
        memcpy(intent->currency, currency, sizeof(intent->currency));
    int64_t status = get_int(form, "status");
    intent->status = (enum intent_status)status;
    intent->capture_manual = get_int(form, "manual") != 0;
    intent->returns = get_int(form, "returns") != 0;
    intent->declined = get_int(form, "declined") != 0;
    intent->faults_spent = (unsigned)get_int(form, "spent");
    intent->created_ms = get_int(form, "created_ms");
    intent->authorized_ms = get_int(form, "authorized_ms");
    intent->canceled_ms = get_int(form, "canceled_ms");
    intent->hidden_until_ms = get_int(form, "hidden_until_ms");
    get_text(form, "cancel_reason", &intent->cancel_reason);
    get_text(form, "payment_method", &intent->payment_method);
    get_text(form, "metadata", &intent->metadata);
    if (intent->payment_method)
        (void)magic_find(intent->payment_method, &intent->magic);
    bool ok = intent->currency[0] && intent->metadata && status >= 0 && status <= INTENT_CANCELED &&
              intent->captured_minor <= intent->authorized_minor;
    if (is_new && ok)
        books_intent_add(books, intent);
    else if (is_new)
        books_intent_free(intent);
    return ok ? 0 : -EINVAL;
}

void journal_refund(struct journal *journal, const struct refund *refund)
{
    FILE *f = journal->line;
    if (!f)
        return;
    fputs("refund", f);
    form_put(f, "id", refund->id);
    form_put(f, "intent", refund->intent->id);
    form_put_int(f, "amount", refund->amount_minor);
    form_put_int(f, "created_ms", refund->created_ms);
    form_put_int(f, "settled_ms", refund->settled_ms);
    form_put_int(f, "fails", refund->fails);
    if (refund->reason)
        form_put(f, "reason", refund->reason);
    if (refund->reference)
        form_put(f, "reference", refund->reference);
    form_put(f, "metadata", refund->metadata);
    putc('\t', f);
}

/* Refunds never change after they were made: what becomes of them is a matter of time. */
static int replay_refund(struct books *books, const struct form *form)
{
    char id[SANDBOX_ID_BYTES] = "";
    const char *intent_id = form_get(form, "intent");
    struct intent *intent = intent_id ? books_intent(books, intent_id) : NULL;
    int64_t amount = get_int(form, "amount");
    if (!intent || get_id(form, "id", id) < 0 || books_refund(books, id) || amount <= 0 ||
        !form_get(form, "metadata"))
        return -EINVAL;
    struct refund *refund = books_refund_new(intent);
    memcpy(refund->id, id, sizeof(id));
    refund->amount_minor = amount;
    refund->created_ms = get_int(form, "created_ms");
    refund->settled_ms = get_int(form, "settled_ms");
    refund->fails = get_int(form, "fails") != 0;
    get_text(form, "reason", &refund->reason);
    get_text(form, "reference", &refund->reference);
    get_text(form, "metadata", &refund->metadata);
    books_refund_add(books, refund);
    return 0;
}

void journal_key(struct journal *journal, const struct key *key)
{
    FILE *f = journal->line;
    if (!f)
        return;
    fputs("key", f);
    form_put(f, "id", key->id);
    form_put_int(f, "hash", (int64_t)key->request_hash);
    form_put_int(f, "status", (int64_t)key->status);
    form_put(f, "body", key->body);
    putc('\t', f);
}

static int replay_key(struct books *books, const struct form *form, uint32_t keys_max)
{
    const char *id = form_get(form, "id");
    const char *body = form_get(form, "body");
    if (!id || !body)
        return -EINVAL;
    struct key *key =
        books_key_new(id, (uint64_t)get_int(form, "hash"), (unsigned)get_int(form, "status"), body);
    books_key_add(books, key, keys_max);
    return 0;
}

static int replay_record(struct books *books, char *record, uint32_t keys_max)
{
    struct form form;
    char *kind = strsep(&record, "&");
    if (!record || form_parse(&form, record) < 0)
        return -EINVAL;
    if (strcmp(kind, "intent") == 0)
        return replay_intent(books, &form);
    if (strcmp(kind, "refund") == 0)
        return replay_refund(books, &form);
    if (strcmp(kind, "key") == 0)
        return replay_key(books, &form, keys_max);
    return -EINVAL;
}

static int replay_line(struct books *books, char *line, uint32_t keys_max)
{
    while (line && *line) {
        int r = replay_record(books, strsep(&line, "\t"), keys_max);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Reads every whole line; returns where the last one ends. */
static int replay(int fd, const char *path, struct books *books, uint32_t keys_max, off_t *ret_end)
{
    int copy = dup(fd);
    FILE *f = copy < 0 ? NULL : fdopen(copy, "r");
    if (!f) {
        if (copy >= 0)
            close(copy);
        return -errno;
    }
    char *line = NULL;
    size_t size = 0;
    int r = 0;
    *ret_end = 0;
    for (unsigned long number = 1;; number++) {
        ssize_t n = getline(&line, &size, f);
        /* A line without its end was being written when the process died: its request got no
         * answer. */
        if (n <= 0 || line[n - 1] != '\n')
            break;
        line[n - 1] = '\0';
        r = replay_line(books, line, keys_max);
        if (r < 0) {
            fprintf(stderr, "sandbox-psp: %s:%lu: not a journal line\n", path, number);
            break;
        }
        *ret_end += n;
    }
    free(line);
    fclose(f);
    return r;
}

int journal_open(struct journal *journal, const char *path, struct books *books, uint32_t keys_max)
{
    *journal = (struct journal){.fd = -1};
    if (!path)
        return 0;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    off_t end = 0;
    int r = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -EBUSY : replay(fd, path, books, keys_max, &end);
    if (r == 0 && (ftruncate(fd, end) < 0 || lseek(fd, end, SEEK_SET) < 0))
        r = -errno;
    if (r < 0) {
        close(fd);
        return r;
    }
    journal->line = open_memstream(&journal->line_text, &journal->line_bytes);
    CHECK(journal->line);
    journal->fd = fd;
    return 0;
}

void journal_close(struct journal *journal)
{
    if (journal->fd < 0)
        return;
    journal_flush(journal);
    fclose(journal->line);
    free(journal->line_text);
    close(journal->fd);
    *journal = (struct journal){.fd = -1};
}

void journal_flush(struct journal *journal)
{
    if (journal->fd < 0)
        return;
    if (ftello(journal->line) == 0)
        return;
    putc('\n', journal->line);
    CHECK(fflush(journal->line) == 0);
    const char *p = journal->line_text;
    size_t left = (size_t)ftello(journal->line);
    while (left > 0) {
        ssize_t n = write(journal->fd, p, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            fprintf(stderr, "sandbox-psp: journal: %s\n", strerror(errno));
            exit(1);
        }
        p += n;
        left -= (size_t)n;
    }
    rewind(journal->line);
}
