/* faregate: one binary, several commands. Parses the configuration and hands it to whoever does the
 * work. What must stay true: this file knows every part and does nothing itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "check/check.h"
#include "config.h"
#include "gen/sql/registry.h"
#include "grpc/describe.h"
#include "grpc/descriptors.h"
#include "sandbox/sandbox.h"
#include "schema/migrate.h"
#include "seed/seed.h"
#include "services/all.h"
#include "services/auth/auth.h"
#include "supervisor/dev.h"
#include "supervisor/supervisor.h"
#include "version.h"

static int migrate(const struct config *c)
{
    if (c->print)
        return migrate_print(stdout) < 0;
    return migrate_run(c->database, stderr) < 0;
}

static int seed(const struct config *c)
{
    const struct seed_options options = {
        .conninfo = c->database,
        .scale = c->scale_permille / 1000.0,
        .days = (int)c->days,
        .seed = c->seed,
        .start = c->start,
    };
    return seed_run(&options) < 0;
}

static bool statement(void *ctx, size_t index, struct describe_statement *ret)
{
    (void)ctx;
    static const char *const cardinalities[] = {"none", "one", "maybe", "many"};
    const struct db_statement *s = sql_statements[index];
    if (!s)
        return false;
    *ret = (struct describe_statement){
        .name = s->name,
        .cardinality = cardinalities[s->cardinality],
        .lane = s->is_read ? "read" : "write",
        .is_batched = s->sql_many != NULL,
    };
    return true;
}

/* What Envoy's JSON transcoder, grpcurl -protoset and buf read. */
static int write_descriptor_set(const char *path)
{
    struct str set = descriptors_embedded();
    FILE *f = fopen(path, "we");
    bool ok = f && fwrite(set.p, 1, set.n, f) == set.n;
    if (f && fclose(f) != 0)
        ok = false;
    if (!ok)
        fprintf(stderr, "faregate describe: cannot write --descriptor-set=%s\n", path);
    return ok ? 0 : 2;
}

static int describe(const struct config *c)
{
    const struct rpc_service *services[SERVICES_MAX + 1];
    const struct describe_hooks hooks = {.statement = statement};
    struct buf out = {0};
    char error[256];
    if (c->descriptor_set[0])
        return write_descriptor_set(c->descriptor_set);
    services_chosen(c->services, services);
    if (describe_write(&out, c->json || !isatty(STDOUT_FILENO), services, &c->server, &hooks, error,
                       sizeof error) < 0) {
        fprintf(stderr, "faregate describe: %s\n", error);
        return 2;
    }
    fwrite(out.p + out.start, 1, buf_len(&out), stdout);
    buf_deinit(&out);
    return 0;
}

/* The first line of a file, so that no password is on a command line. */
static int read_line(const char *path, char *ret_line, size_t bytes)
{
    FILE *f = fopen(path, "re");
    bool ok = f && fgets(ret_line, (int)bytes, f);
    if (f)
        fclose(f);
    if (!ok) {
        fprintf(stderr, "faregate user: cannot read a line from --password-file=%s\n", path);
        return -1;
    }
    ret_line[strcspn(ret_line, "\r\n")] = '\0';
    return 0;
}

static int user(const struct config *c)
{
    char password[512], error[256];
    if (read_line(c->password_file, password, sizeof password) < 0)
        return 2;
    int r = auth_make_user(c->database, c->email, password, c->roles, &c->app, error, sizeof error);
    explicit_bzero(password, sizeof password);
    if (r < 0)
        fprintf(stderr, "faregate user: %s\n", error);
    return r < 0;
}

int main(int argc, char **argv)
{
    struct config config;
    if (argc > 1 && strcmp(argv[1], "sandbox-psp") == 0)
        return sandbox_psp_main(argc - 1, argv + 1);
    int r = config_parse(argc, argv, &config);
    if (r != 0)
        return r < 0 ? 2 : 0;
    switch (config.command) {
    case COMMAND_SERVE:
    case COMMAND_JOBS:
        return supervisor_run(&config, NULL, NULL);
    case COMMAND_DEV:
        return dev_run(&config);
    case COMMAND_MIGRATE:
        return migrate(&config);
    case COMMAND_SEED:
        return seed(&config);
    case COMMAND_CHECK:
        return check_run(config.database, config.json);
    case COMMAND_DESCRIBE:
        return describe(&config);
    case COMMAND_USER:
        return user(&config);
    case COMMAND_VERSION:
        printf("faregate %s (%s)\n", FG_VERSION, FG_REVISION);
        return 0;
    default:
        config_help(stdout, COMMAND_HELP);
        return 0;
    }
}
