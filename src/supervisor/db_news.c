/* Tells of the database; see db_news.h. What must stay true: a database that stays down costs the
 * log a line every few seconds at most; the texts are libpq's and the server's, neither of which
 * repeats a password. */
#include "supervisor/db_news.h"

#include <stdio.h>
#include <string.h>

#define TELL_AGAIN_NS (5 * NS_PER_S)

static void tell(struct obs *obs, const char *event, const char *error)
{
    struct obs_event e = obs_event_begin(obs, event, clock_wall_ns(&clock_system));
    if (error)
        obs_event_str(&e, "error", str_of(error));
    obs_event_end(&e);
}

void db_news_tell(struct db_news *n, struct obs *obs, const struct db *db,
                  struct shared_page *shared, struct process_slot *slot)
{
    const int64_t now_ns = clock_mono_ns(&clock_system);
    if (db_is_up(db)) {
        /* All processes find the same. */
        if (db_warning(db)[0] && !atomic_exchange(&shared->is_warning_told, true))
            tell(obs, "database_warning", db_warning(db));
        if (n->is_down_told)
            tell(obs, "database_up", NULL);
        n->is_down_told = false;
        return;
    }
    char error[sizeof slot->database_error] = "";
    snprintf(error, sizeof error, "%s", db_error(db));
    bool is_news = !n->is_down_told || strcmp(error, slot->database_error) != 0;
    if (!error[0] || !is_news || (n->told_ns > 0 && now_ns - n->told_ns < TELL_AGAIN_NS))
        return;
    tell(obs, "database_down", error);
    memcpy(slot->database_error, error, sizeof slot->database_error - 1);
    n->is_down_told = true;
    n->told_ns = now_ns;
}
