/* Reads the timetable into the board, page by page, then asks again and again what has changed.
 *
 *   nothing -> BEGIN -> PAGES -> CATCH_UP -> looked at: polled until it is lost
 *
 * Between pages what was read of them is polled too, so that catching up is never more than a poll,
 * however much is written meanwhile. A poll asks for the rows of inventory_change that the snapshot
 * of the last one could not see, so that whoever commits late is not missed, and takes the flights
 * as they are now. A timetable is lost when the connection was another one, when more changed than
 * flights by their ids, when nobody polled for too long (by the database's clock: that of a machine
 * that was paused stood still); then, and once an hour in any case, all is read anew into the other
 * half, while a half that is not lost is polled on. What must stay true: board_publish is told the
 * time at which the poll began whose answer is wholly applied, never a later one. */
#include "services/flight/board_load.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/check.h"
#include "services/flight/board.h"

#define PAGE_ROWS 6000 /* a cabin of a flight each */
#define CALL_TIMEOUT_MS 20000
#define POLLS_PER_BOUND 4
#define POLL_NS_MIN (5 * NS_PER_MS)
#define POLL_NS_MAX NS_PER_S /* more may change in longer times than one poll reads */
#define RETRY_NS NS_PER_S
#define RELOAD_NS (3600 * NS_PER_S)
#define REST_SHARE 4            /* between two readings: so many times what one took */
#define GRACE_NS (2 * NS_PER_S) /* for looks at the half before */

enum stage { STAGE_NONE, STAGE_BEGIN, STAGE_PAGES, STAGE_CATCH_UP, STAGE_LIVE };

/* One half, and up to where it is known. */
struct view {
    struct board_load *load;
    enum stage stage;
    struct board_fill fill;
    int32_t first_date;
    struct buf snapshot; /* with NUL */
    struct buf session;
    int64_t read_us;  /* when the snapshot was taken, as the database has it */
    int64_t begun_ns; /* the call that runs */
    int64_t due_ns;
    int64_t poll_due_ns; /* between pages */
    bool is_lost;
    /* the last row of the pages so far */
    char origin[8], destination[8];
    int32_t departure_date;
    int64_t departure_time;
    struct uuid flight_id;
    int16_t cabin;
};

struct board_load {
    struct server *server;
    struct app *app;
    ev_timer timer;
    struct view views[2];
    struct view *live, *next;
    int64_t poll_ns;
    int64_t load_begun_ns, load_took_ns;
    int64_t reload_ns;  /* when it is due */
    int64_t release_ns; /* the half before; 0: done */
    bool is_running, is_stopping, is_full;
};

static int64_t now_of(const struct board_load *load)
{
    return clock_mono_ns(load->app->clock);
}

static void keep(struct buf *buf, struct str text)
{
    buf_consume(buf, buf_len(buf));
    buf_append(buf, text.p, text.n);
    buf_append(buf, "", 1);
}

static struct str kept(const struct buf *buf)
{
    return str_of((const char *)buf->p + buf->start);
}

/* ---- the three calls; their request is the view ---- */

struct begin_state {
    struct flight_begin_timetable_row row;
};

static enum step begin(struct call *c)
{
    struct begin_state *s = c->state;
    flight_begin_timetable(c, &s->row);
    return STEP_NEXT;
}

static enum step begun(struct call *c)
{
    const struct begin_state *s = c->state;
    struct view *v = (struct view *)(uintptr_t)call_request(c);
    board_fill_begin(&v->fill, app_of(c)->board, s->row.first_date);
    keep(&v->snapshot, s->row.snapshot);
    keep(&v->session, s->row.session);
    v->read_us = s->row.read_time;
    v->first_date = v->departure_date = s->row.first_date;
    v->origin[0] = v->destination[0] = '\0';
    v->departure_time = 0;
    v->flight_id = (struct uuid){0};
    v->cabin = 0;
    v->is_lost = false;
    v->poll_due_ns = v->begun_ns + v->load->poll_ns;
    v->stage = STAGE_PAGES;
    return call_reply(c, NULL);
}

struct page_state {
    struct flight_read_departures_rows rows;
};

static enum step read_page(struct call *c)
{
    struct page_state *s = c->state;
    const struct view *v = call_request(c);
    flight_read_departures(c, &s->rows, v->first_date, str_of(v->origin), str_of(v->destination),
                           v->departure_date, v->departure_time, v->flight_id, v->cabin, PAGE_ROWS);
    return STEP_NEXT;
}

static bool take_code(char to[static 8], struct str code)
{
    if (code.n >= 8)
        return false;
    memcpy(to, code.p, code.n);
    to[code.n] = '\0';
    return true;
}

/* Said once; nothing is searched in memory until it fits. */
static void is_full(struct call *c, struct view *v)
{
    struct board_load *load = v->load;
    if (!load->is_full)
        call_note(c, "error", "more flights than fit into --timetable-bytes");
    load->is_full = true;
    v->stage = STAGE_NONE;
    board_fill_cancel(&v->fill);
    load->reload_ns = now_of(load) + RELOAD_NS;
}

static enum step take_page(struct call *c)
{
    const struct page_state *s = c->state;
    struct view *v = (struct view *)(uintptr_t)call_request(c);
    for (uint32_t i = 0; i < s->rows.count; i++) {
        const struct flight_read_departures_row *row = &s->rows.rows[i];
        int r = board_add(&v->fill, row);
        if (r == -ENOSPC) {
            is_full(c, v);
            return call_reply(c, NULL);
        }
        v->is_lost |= r < 0;
    }
    v->is_lost |= s->rows.truncated;
    if (s->rows.count > 0) {
        const struct flight_read_departures_row *last = &s->rows.rows[s->rows.count - 1];
        v->is_lost |=
            !take_code(v->origin, last->origin) || !take_code(v->destination, last->destination);
        v->departure_date = last->departure_date;
        v->departure_time = last->departure_time;
        v->flight_id = last->flight_id;
        v->cabin = last->cabin;
    }
    if (v->is_lost)
        v->stage = STAGE_BEGIN;
    else if (s->rows.count < PAGE_ROWS)
        v->stage = STAGE_CATCH_UP;
    return call_reply(c, NULL);
}

struct poll_state {
    struct flight_read_changes_rows rows;
};

static enum step poll(struct call *c)
{
    struct poll_state *s = c->state;
    const struct view *v = call_request(c);
    flight_read_changes(c, &s->rows, kept(&v->snapshot), v->read_us, v->first_date,
                        v->stage != STAGE_PAGES, str_of(v->origin), str_of(v->destination),
                        v->departure_date, v->departure_time, v->flight_id, v->cabin);
    return STEP_NEXT;
}

static void go_live(struct call *c, struct view *v)
{
    struct board_load *load = v->load;
    int64_t now_ns = now_of(load);
    v->stage = STAGE_LIVE;
    load->next = load->live;
    load->next->stage = STAGE_NONE;
    board_fill_deinit(&load->next->fill);
    load->live = v;
    load->load_took_ns = now_ns - load->load_begun_ns;
    load->reload_ns = now_ns + RELOAD_NS;
    load->release_ns = now_ns + GRACE_NS;
    load->is_full = false;
    call_note(c, "flights", "%u", board_flights(&v->fill));
    call_note(c, "bytes", "%zu", board_bytes(&v->fill));
    call_note(c, "load_ms", "%lld", (long long)(load->load_took_ns / NS_PER_MS));
}

static enum step apply(struct call *c)
{
    const struct poll_state *s = c->state;
    struct view *v = (struct view *)(uintptr_t)call_request(c);
    bool lost = s->rows.truncated;
    struct str snapshot = {0};
    int64_t read_us = 0;
    for (uint32_t i = 0; i < s->rows.count && !lost; i++) {
        const struct flight_read_changes_row *row = &s->rows.rows[i];
        if (row->has_snapshot) {
            snapshot = row->snapshot;
            read_us = row->read_time;
            lost = row->is_lost || !str_eq(row->session, kept(&v->session));
        } else {
            lost = !board_change(&v->fill, row);
        }
    }
    v->is_lost = lost || snapshot.n == 0;
    if (v->is_lost)
        return call_reply(c, NULL);
    keep(&v->snapshot, snapshot);
    v->read_us = read_us;
    v->poll_due_ns = now_of(v->load) + v->load->poll_ns; /* however long it took, a page is next */
    if (v->stage != STAGE_PAGES)
        board_publish(&v->fill, v->begun_ns, v->read_us);
    if (v->stage == STAGE_CATCH_UP)
        go_live(c, v);
    return call_reply(c, NULL);
}

static const struct step_def begin_steps[] = {STEP(begin), STEP(begun)};
static const struct step_def page_steps[] = {STEP(read_page), STEP(take_page)};
static const struct step_def poll_steps[] = {STEP(poll), STEP(apply)};

static const struct rpc_handler begin_handler = {.method = "BeginTimetable",
                                                 RPC_STEPS(begin_steps, struct begin_state)};
static const struct rpc_handler page_handler = {.method = "ReadTimetable",
                                                RPC_STEPS(page_steps, struct page_state)};
static const struct rpc_handler catch_up_handler = {.method = "LoadTimetable",
                                                    RPC_STEPS(poll_steps, struct poll_state)};
static const struct rpc_handler poll_handler = {.method = "PollTimetable",
                                                RPC_STEPS(poll_steps, struct poll_state)};

static const struct rpc_handler *const handlers[] = {
    [STAGE_BEGIN] = &begin_handler,
    [STAGE_PAGES] = &page_handler,
    [STAGE_CATCH_UP] = &catch_up_handler,
    [STAGE_LIVE] = &poll_handler,
};

/* ---- what is next ---- */

static void free_load(struct board_load *load)
{
    for (unsigned i = 0; i < 2; i++) {
        board_fill_deinit(&load->views[i].fill);
        buf_deinit(&load->views[i].snapshot);
        buf_deinit(&load->views[i].session);
    }
    free(load);
}

static void go_on(struct board_load *load);

/* Not live: from the start, after the rest that what was read so far deserves; waiting for a
 * database that was away is none. Live: what could not be asked is asked again, what is lost is
 * read anew. */
static void settle(struct view *v, bool failed, int64_t now_ns)
{
    struct board_load *load = v->load;
    if (v->stage != STAGE_LIVE && v->stage != STAGE_NONE && (failed || v->is_lost)) {
        int64_t rest_ns = REST_SHARE * (v->begun_ns - load->load_begun_ns);
        v->stage = STAGE_BEGIN;
        v->due_ns = now_ns + (rest_ns > RETRY_NS ? rest_ns : RETRY_NS);
    } else if (v->stage == STAGE_LIVE && v->is_lost) {
        v->stage = STAGE_NONE;
        load->reload_ns = now_ns;
    } else if (v->stage == STAGE_LIVE) {
        v->due_ns = failed ? now_ns + RETRY_NS : v->begun_ns + load->poll_ns;
    }
}

static void on_end(void *ctx, enum reason reason)
{
    struct view *v = ctx;
    struct board_load *load = v->load;
    load->is_running = false;
    if (load->is_stopping) {
        free_load(load);
        return;
    }
    settle(v, reason != REASON_NONE, now_of(load));
    go_on(load);
}

static void run(struct board_load *load, struct view *v, int64_t now_ns)
{
    bool is_poll_due = v->stage == STAGE_PAGES && now_ns >= v->poll_due_ns;
    const struct rpc_handler *handler = is_poll_due ? &catch_up_handler : handlers[v->stage];
    v->begun_ns = now_ns;
    load->is_running = call_run_internal(load->server, handler, v, CALL_TIMEOUT_MS, on_end, v) == 0;
    if (!load->is_running)
        v->due_ns = now_ns + RETRY_NS;
}

/* A reading that was just done is not done again at once, whatever asks for it. */
static void begin_reading(struct board_load *load, int64_t now_ns)
{
    int64_t rested_ns = load->load_begun_ns + (1 + REST_SHARE) * load->load_took_ns;
    struct view *v = load->next;
    v->stage = STAGE_BEGIN;
    v->due_ns = now_ns > rested_ns ? now_ns : rested_ns;
    load->reload_ns = INT64_MAX;
}

static int64_t due_of(const struct view *v)
{
    return v->stage == STAGE_NONE ? INT64_MAX : v->due_ns;
}

static void go_on(struct board_load *load)
{
    int64_t now_ns = now_of(load);
    if (load->is_running)
        return;
    if (load->release_ns > 0 && now_ns >= load->release_ns) {
        if (load->next->stage <= STAGE_BEGIN)
            board_release_other(&load->live->fill);
        load->release_ns = 0;
    }
    if (load->next->stage == STAGE_NONE && now_ns >= load->reload_ns)
        begin_reading(load, now_ns);
    struct view *v = due_of(load->live) <= now_ns ? load->live : load->next;
    if (due_of(v) <= now_ns) {
        if (v->stage == STAGE_BEGIN)
            load->load_begun_ns = now_ns;
        run(load, v, now_ns);
    }
    int64_t due_ns =
        due_of(load->live) < due_of(load->next) ? due_of(load->live) : due_of(load->next);
    int64_t wait_ns = due_ns - now_ns;
    if (wait_ns > NS_PER_S)
        wait_ns = NS_PER_S; /* the other clocks run in seconds */
    if (load->is_running)
        return;
    ev_timer_stop(load->app->loop->ev, &load->timer);
    ev_timer_set(&load->timer, (double)(wait_ns > 0 ? wait_ns : 0) / NS_PER_S, 0.);
    ev_timer_start(load->app->loop->ev, &load->timer);
}

static void on_timer(struct ev_loop *ev, ev_timer *timer, int events)
{
    (void)ev, (void)events;
    go_on(timer->data);
}

struct board_load *board_load_start(struct server *server, struct app *app)
{
    struct board_load *load = calloc(1, sizeof *load);
    CHECK(load && app->board);
    load->server = server;
    load->app = app;
    load->live = &load->views[0];
    load->next = &load->views[1];
    for (unsigned i = 0; i < 2; i++)
        load->views[i].load = load;
    load->poll_ns = app->limits.search_stale_ms * NS_PER_MS / POLLS_PER_BOUND;
    if (load->poll_ns < POLL_NS_MIN)
        load->poll_ns = POLL_NS_MIN;
    if (load->poll_ns > POLL_NS_MAX)
        load->poll_ns = POLL_NS_MAX;
    ev_timer_init(&load->timer, on_timer, 0., 0.);
    load->timer.data = load;
    go_on(load);
    return load;
}

struct board_load *board_load_stop(struct board_load *load)
{
    if (!load)
        return NULL;
    ev_timer_stop(load->app->loop->ev, &load->timer);
    load->is_stopping = true;
    if (!load->is_running)
        free_load(load);
    return NULL;
}
