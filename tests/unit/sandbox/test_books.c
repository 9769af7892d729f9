/* The books, the magic names and the journal, without HTTP. */
#include "sandbox/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/test.h"

static struct intent *paid(struct books *books, int64_t authorized, int64_t captured,
                           const char *reference)
{
    struct intent *intent = books_intent_new(books);
    sandbox_id(intent->id, "pi_");
    memcpy(intent->currency, "eur", 4);
    intent->amount_minor = intent->authorized_minor = authorized;
    intent->captured_minor = captured;
    intent->authorized_ms = 1000;
    intent->status = captured > 0 ? INTENT_SUCCEEDED : INTENT_REQUIRES_CAPTURE;
    intent->metadata = strdup("");
    intent->reference = reference ? strdup(reference) : NULL;
    books_intent_add(books, intent);
    return intent;
}

static struct refund *back(struct books *books, struct intent *intent, int64_t minor)
{
    struct refund *refund = books_refund_new(intent);
    sandbox_id(refund->id, "re_");
    refund->amount_minor = minor;
    refund->metadata = strdup("");
    books_refund_add(books, refund);
    return refund;
}

TEST(books, find_by_id_and_all_of_one_reference_newest_first)
{
    struct books books;
    books_init(&books);
    struct intent *all[100];
    char reference[16];
    for (int i = 0; i < 100; i++) {
        snprintf(reference, sizeof(reference), "r%d", i % 10);
        all[i] = paid(&books, 5, 5, reference);
    }
    for (int i = 0; i < 100; i++)
        ASSERT_PTR_EQ(books_intent(&books, all[i]->id), all[i]);
    struct intent *found = books_intent_by_reference(&books, "r3");
    for (int i = 93; i >= 3; i -= 10, found = found->same_reference)
        ASSERT_PTR_EQ(found, all[i]);
    ASSERT_NULL(found);
    ASSERT_NULL(books_intent_by_reference(&books, "r"));
    ASSERT_NULL(books_intent(&books, "pi_"));
    books_deinit(&books);
}

TEST(books, sum_up_to_authorised_is_captured_plus_released_plus_held)
{
    struct books books;
    struct books_total totals[SANDBOX_CURRENCIES_MAX];
    books_init(&books);
    paid(&books, 100, 60, NULL);
    paid(&books, 30, 0, NULL);
    struct intent *refunded = paid(&books, 50, 50, NULL);
    back(&books, refunded, 20);
    back(&books, refunded, 5)->settled_ms = 5000;
    struct refund *failed = back(&books, refunded, 7);
    failed->fails = true;
    ASSERT_INT_EQ(books_totals(&books, 2000, 10000, totals), 1);
    ASSERT_STR_EQ(totals[0].currency, "eur");
    ASSERT_INT_EQ(totals[0].authorized_minor, 180);
    ASSERT_INT_EQ(totals[0].captured_minor, 110);
    ASSERT_INT_EQ(totals[0].released_minor, 40);
    ASSERT_INT_EQ(totals[0].held_minor, 30);
    ASSERT_INT_EQ(totals[0].refunded_minor, 20);
    ASSERT_INT_EQ(totals[0].refunds_pending_minor, 5);
    /* At its time the authorisation lapses, and what was held is released. */
    ASSERT_INT_EQ(books_totals(&books, 11000, 10000, totals), 1);
    ASSERT_INT_EQ(totals[0].held_minor, 0);
    ASSERT_INT_EQ(totals[0].released_minor, 70);
    ASSERT_INT_EQ(totals[0].refunded_minor, 25);
    books_deinit(&books);
}

static void refund_too_much(void *arg)
{
    struct books *books = arg;
    back(books, paid(books, 50, 50, NULL), 51);
}

TEST(books, stop_at_a_refund_beyond_the_capture)
{
    struct books books;
    books_init(&books);
    ASSERT_TRUE(test_aborts(refund_too_much, &books));
    books_deinit(&books);
}

TEST(books, forget_the_oldest_key_first)
{
    struct books books;
    char id[16];
    books_init(&books);
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof(id), "k%d", i);
        books_key_add(&books, books_key_new(id, 1, 200, "{}"), 3);
    }
    ASSERT_INT_EQ(books.keys_count, 3);
    ASSERT_NULL(books_key(&books, "k6"));
    ASSERT_NOT_NULL(books_key(&books, "k7"));
    books_key_add(&books, books_key_new("k7", 2, 402, "[]"), 3);
    ASSERT_INT_EQ(books.keys_count, 3);
    ASSERT_INT_EQ(books_key(&books, "k7")->status, 402);
    books_deinit(&books);
}

TEST(books, know_currencies_by_whole_codes)
{
    ASSERT_TRUE(currency_known("eur"));
    ASSERT_TRUE(currency_known("aed"));
    ASSERT_TRUE(currency_known("zwl"));
    ASSERT_FALSE(currency_known("ur "));
    ASSERT_FALSE(currency_known("EUR"));
    ASSERT_FALSE(currency_known("xts"));
    ASSERT_FALSE(currency_known("e"));
    ASSERT_FALSE(currency_known(""));
}

TEST(magic, names_mean_what_the_table_says)
{
    struct magic m;
    ASSERT_INT_EQ(magic_find("pm_card_visa", &m), 0);
    ASSERT_NULL(m.error_code);
    ASSERT_INT_EQ(m.fault, FAULT_NONE);
    ASSERT_INT_EQ(magic_find("pm_card_chargeDeclinedInsufficientFunds__7", &m), 0);
    ASSERT_STR_EQ(m.decline_code, "insufficient_funds");
    ASSERT_INT_EQ(magic_find("pm_sandbox_slow_250__tag_9", &m), 0);
    ASSERT_INT_EQ(m.fault, FAULT_SLOW);
    ASSERT_INT_EQ(m.fault_on, OP_CONFIRM);
    ASSERT_INT_EQ(m.fault_ms, 250);
    ASSERT_INT_EQ(magic_find("pm_sandbox_slow", &m), 0);
    ASSERT_INT_EQ(m.fault_ms, 1000);
    ASSERT_INT_EQ(magic_find("pm_sandbox_not_found_until_700", &m), 0);
    ASSERT_INT_EQ(m.fault, FAULT_CHARGED_THEN_500);
    ASSERT_INT_EQ(m.hidden_ms, 700);
    ASSERT_INT_EQ(magic_find("pm_sandbox_capture_charged_then_never", &m), 0);
    ASSERT_INT_EQ(m.fault, FAULT_CHARGED_THEN_NEVER);
    ASSERT_INT_EQ(m.fault_on, OP_CAPTURE);
    ASSERT_INT_EQ(magic_find("pm_sandbox_refund_slow_fails_5", &m), 0);
    ASSERT_INT_EQ(m.refund_fate, REFUND_SLOW_FAILS);
    ASSERT_INT_EQ(m.refund_ms, 5);
    ASSERT_INT_EQ(m.fault, FAULT_NONE);
}

TEST(magic, nothing_else_is_a_payment_method)
{
    static const char *const unknown[] = {
        "",
        "pm_card_",
        "pm_card_visa_",
        "pm_card_vis",
        "pm_sandbox",
        "pm_sandbox_",
        "pm_sandbox_http500_5",
        "pm_sandbox_slow_",
        "PM_CARD_VISA",
        "pm_sandbox_slow_-5",
        "pm_sandbox_slow_600001",
        "pm_sandbox_capture_",
        "__pm_card_visa",
    };
    struct magic m;
    for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
        ASSERT_INT_EQ(magic_find(unknown[i], &m), -ENOENT);
}

TEST(journal, gives_the_books_back)
{
    struct books books;
    struct journal journal;
    char path[] = "/tmp/faregate-journal-XXXXXX";
    close(mkstemp(path));
    books_init(&books);
    ASSERT_INT_EQ(journal_open(&journal, path, &books, 10), 0);
    struct intent *intent = paid(&books, 100, 0, "a&b=\t\n%+");
    intent->payment_method = strdup("pm_sandbox_refund_slow_9");
    intent->hidden_until_ms = 17;
    journal_intent(&journal, intent);
    intent->captured_minor = 60;
    intent->status = INTENT_SUCCEEDED;
    struct refund *refund = back(&books, intent, 60);
    refund->settled_ms = 99;
    journal_intent(&journal, intent);
    journal_refund(&journal, refund);
    struct key *key = books_key_new("the key", UINT64_MAX - 5, 402, "{\"a\":\"\xc3\xa9&=+%\"}");
    books_key_add(&books, key, 10);
    journal_key(&journal, key);
    journal_flush(&journal);
    journal_close(&journal);

    struct books again;
    books_init(&again);
    ASSERT_INT_EQ(journal_open(&journal, path, &again, 10), 0);
    struct intent *read = books_intent_by_reference(&again, "a&b=\t\n%+");
    ASSERT_NOT_NULL(read);
    ASSERT_STR_EQ(read->id, intent->id);
    ASSERT_INT_EQ(read->captured_minor, 60);
    ASSERT_INT_EQ(read->status, INTENT_SUCCEEDED);
    ASSERT_INT_EQ(read->hidden_until_ms, 17);
    ASSERT_INT_EQ(read->magic.refund_ms, 9);
    ASSERT_INT_EQ(again.intents_count, 1);
    ASSERT_INT_EQ(books_refund(&again, refund->id)->settled_ms, 99);
    ASSERT_INT_EQ(books_key(&again, "the key")->status, 402);
    ASSERT_TRUE(books_key(&again, "the key")->request_hash == UINT64_MAX - 5);
    ASSERT_STR_EQ(books_key(&again, "the key")->body, key->body);
    journal_close(&journal);
    books_deinit(&again);
    books_deinit(&books);
    unlink(path);
}
