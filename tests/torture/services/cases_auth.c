/* Requests of AuthService for the torture: the plain ones, those that a handler itself refuses, the
 * largest. services.c runs them. What must stay true: no field rule refuses one, or the handler is
 * never reached. */
#include "cases.h"
#include "faregate/v1/auth_service.pb-c.h"
#include "services/auth/refresh.h"
#include "services/shared/names.h"
#include "services/shared/page_token.h"

MAKER(new_user, Faregate__V1__CreateUserRequest, faregate__v1__create_user_request__init)
MAKER(new_session, Faregate__V1__CreateSessionRequest, faregate__v1__create_session_request__init)
MAKER(new_refresh, Faregate__V1__RefreshSessionRequest, faregate__v1__refresh_session_request__init)
MAKER(new_sessions, Faregate__V1__ListSessionsRequest, faregate__v1__list_sessions_request__init)

static ProtobufCMessage *user_with(const char *password)
{
    Faregate__V1__CreateUserRequest *m = new_user();
    m->email = case_text(EMAIL);
    m->password = case_text(password);
    m->display_name = case_text("Anna");
    m->request_id = case_text(REQUEST_ID);
    return &m->base;
}

static ProtobufCMessage *user(void)
{
    return user_with(PASSWORD);
}

static ProtobufCMessage *user_common(void)
{
    return user_with("password");
}

static ProtobufCMessage *user_address(void)
{
    return user_with("anna-anna");
}

static ProtobufCMessage *login(void)
{
    Faregate__V1__CreateSessionRequest *m = new_session();
    m->email = case_text("Anna@Example.org");
    m->password = case_text(PASSWORD);
    m->device_label = case_text("phone");
    m->request_id = case_text(REQUEST_ID);
    return &m->base;
}

static ProtobufCMessage *login_wrong(void)
{
    Faregate__V1__CreateSessionRequest *m = (Faregate__V1__CreateSessionRequest *)login();
    m->password = case_text("something else");
    return &m->base;
}

static ProtobufCMessage *refresh(void)
{
    struct refresh_token token;
    Faregate__V1__RefreshSessionRequest *m = new_refresh();
    refresh_first(world.app.keys->refresh, world_user, world_session,
                  STR("0123456789abcdef0123456789abcdef"), &token);
    m->refresh_token = refresh_format(world.app.keys->refresh, &world_arena, &token);
    m->request_id = case_text(REQUEST_ID);
    return &m->base;
}

static ProtobufCMessage *refresh_made_up(void)
{
    Faregate__V1__RefreshSessionRequest *m = (Faregate__V1__RefreshSessionRequest *)refresh();
    m->refresh_token = case_text("fgr_madeup");
    return &m->base;
}

static ProtobufCMessage *get_user(const char *name)
{
    Faregate__V1__GetUserRequest *m = arena_alloc(&world_arena, sizeof *m);
    faregate__v1__get_user_request__init(m);
    m->name = case_text(name);
    return &m->base;
}

static ProtobufCMessage *me(void)
{
    return get_user("users/me");
}

static ProtobufCMessage *somebody(void)
{
    return get_user(name_make(&world_arena, "users", world_other_user));
}

static Faregate__V1__ListSessionsRequest *sessions_of(const char *parent, int32_t size)
{
    Faregate__V1__ListSessionsRequest *m = new_sessions();
    m->parent = case_text(parent);
    m->page_size = size;
    return m;
}

static ProtobufCMessage *sessions(void)
{
    return &sessions_of("users/me", 2)->base;
}

static ProtobufCMessage *sessions_somebody(void)
{
    return &sessions_of(name_make(&world_arena, "users", world_other_user), 2)->base;
}

static ProtobufCMessage *sessions_all(void)
{
    return &sessions_of("users/me", INT32_MAX)->base;
}

static ProtobufCMessage *sessions_bad_page(void)
{
    Faregate__V1__ListSessionsRequest *m = sessions_of("users/me", 2);
    m->page_token = case_text("AAAA");
    return &m->base;
}

static ProtobufCMessage *sessions_next_page(void)
{
    Faregate__V1__ListSessionsRequest *m = sessions_of("users/me", 2);
    uint8_t digest[32];
    page_arguments(&world_arena, &m->base, digest);
    m->page_token =
        page_token_make(&world_arena, world.app.keys->page_token, digest, world_session.b, 16);
    return &m->base;
}

static ProtobufCMessage *logout(void)
{
    Faregate__V1__DeleteSessionRequest *m = arena_alloc(&world_arena, sizeof *m);
    faregate__v1__delete_session_request__init(m);
    m->name = name_make_child(&world_arena, "users", world_user, "sessions", world_session);
    m->request_id = case_text(REQUEST_ID);
    return &m->base;
}

static ProtobufCMessage *logout_somebody(void)
{
    Faregate__V1__DeleteSessionRequest *m = (Faregate__V1__DeleteSessionRequest *)logout();
    m->name = name_make_child(&world_arena, "users", world_other_user, "sessions", world_session);
    return &m->base;
}

static ProtobufCMessage *keys(void)
{
    Faregate__V1__GetJsonWebKeySetRequest *m = arena_alloc(&world_arena, sizeof *m);
    faregate__v1__get_json_web_key_set_request__init(m);
    return &m->base;
}

const struct service_case auth_cases[] = {
    CASE("CreateUser", "", user, CALLER_TRAVELLER),
    CASE("CreateUser", "common password", user_common, CALLER_TRAVELLER),
    CASE("CreateUser", "address as password", user_address, CALLER_TRAVELLER),
    CASE("CreateSession", "", login, CALLER_TRAVELLER),
    CASE("CreateSession", "wrong password", login_wrong, CALLER_TRAVELLER),
    CASE("RefreshSession", "", refresh, CALLER_TRAVELLER),
    CASE("RefreshSession", "made up", refresh_made_up, CALLER_TRAVELLER),
    CASE("GetUser", "", me, CALLER_TRAVELLER),
    CASE("GetUser", "somebody else", somebody, CALLER_TRAVELLER),
    CASE("GetUser", "by staff", somebody, CALLER_SUPPORT),
    CASE("ListSessions", "", sessions, CALLER_TRAVELLER),
    CASE("ListSessions", "somebody else", sessions_somebody, CALLER_TRAVELLER),
    CASE("ListSessions", "bad page", sessions_bad_page, CALLER_TRAVELLER),
    CASE("ListSessions", "next page", sessions_next_page, CALLER_TRAVELLER),
    LARGEST("ListSessions", sessions_all),
    CASE("DeleteSession", "", logout, CALLER_TRAVELLER),
    CASE("DeleteSession", "somebody else", logout_somebody, CALLER_TRAVELLER),
    CASE("DeleteSession", "by an administrator", logout_somebody, CALLER_ADMIN),
    CASE("GetJsonWebKeySet", "", keys, CALLER_TRAVELLER),
    {0},
};
