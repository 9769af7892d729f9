/* ListSessions: the live sessions of the caller, or of anybody for staff, newest first.
 * Ids are made in order of time: a page goes on below the last id sent. */
#include "services/auth/internal.h"
#include "services/shared/names.h"
#include "services/shared/page_token.h"

#define PAGE_STANDARD 20
#define PAGE_MAX 100

struct list_sessions {
    struct uuid user_id;
    uint32_t size;
    struct auth_list_sessions_rows rows;
};

static enum step read_page(struct call *c)
{
    struct list_sessions *s = c->state;
    const Faregate__V1__ListSessionsRequest *req = call_request(c);
    if (!name_take(c, "parent", req->parent, "users/{user}", &s->user_id))
        return STEP_DONE;
    if (!uuid_eq(s->user_id, c->principal.user_id) && !is_staff(&c->principal))
        return call_fail(c, REASON_NOT_FOUND);
    struct uuid before;
    bool goes_on;
    if (!page_token_open(c, req->page_token, sizeof before.b, before.b, &goes_on))
        return STEP_DONE;
    s->size = page_size(req->page_size, PAGE_STANDARD, PAGE_MAX);
    /* One more than is sent: it tells whether there is a next page. */
    auth_list_sessions(c, &s->rows, s->user_id, goes_on ? &before : NULL, (int32_t)s->size + 1);
    return STEP_NEXT;
}

static Faregate__V1__Session *render(struct call *c, const struct auth_list_sessions_row *row)
{
    const struct list_sessions *s = c->state;
    const struct session_view view = {
        .user_id = s->user_id,
        .session_id = row->session_id,
        .device_label = row->device_label,
        .network = row->network,
        .create_us = row->create_time,
        .refresh_us = row->refresh_time,
        .expire_us = row->expire_time,
        .current = uuid_eq(row->session_id, c->principal.session_id),
    };
    return session_message(&c->arena, &view);
}

static enum step answer(struct call *c)
{
    struct list_sessions *s = c->state;
    uint32_t count = s->rows.count < s->size ? s->rows.count : s->size;
    Faregate__V1__ListSessionsResponse reply;
    faregate__v1__list_sessions_response__init(&reply);
    reply.n_sessions = count;
    reply.sessions = arena_array(&c->arena, count + 1, sizeof reply.sessions[0]);
    for (uint32_t i = 0; i < count; i++)
        reply.sessions[i] = render(c, &s->rows.rows[i]);
    if (s->rows.count > count)
        reply.next_page_token =
            page_token_seal(c, s->rows.rows[count - 1].session_id.b, sizeof(struct uuid));
    return call_reply(c, &reply.base);
}

static const struct step_def steps[] = {
    STEP(read_page),
    STEP(answer),
};

const struct rpc_handler auth_list_sessions_rpc = {
    .method = "ListSessions",
    RPC_STEPS(steps, struct list_sessions),
};
