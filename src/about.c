/* `faregate describe` in its forms: tables for people and as JSON, the service config, the
 * descriptor set. main calls it. What must stay true: what is printed is what a server started with
 * the same flags would do; nothing of it depends on the machine. */
#include "about.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "gen/sql/registry.h"
#include "grpc/describe.h"
#include "grpc/descriptors.h"
#include "obs/obs.h"
#include "services/all.h"
#include "supervisor/worker.h"

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
        fprintf(stderr, "faregate describe: cannot write --descriptor-set=%s: %s\n", path,
                strerror(errno));
    return ok ? 0 : 2;
}

struct about {
    struct config *config;
    struct config_flag flag; /* the last one that was asked for */
};

static bool flag(void *ctx, size_t index, struct describe_flag *ret)
{
    struct about *a = ctx;
    struct config_flag *f = &a->flag;
    if (!config_flag_at(a->config, index, f))
        return false;
    *ret = (struct describe_flag){
        .name = f->name, .unit = f->unit, .value = f->value, .help = f->help};
    return true;
}

static int describe(struct config *c, const struct rpc_service *const *services, struct buf *out,
                    char *error, size_t error_bytes)
{
    struct about about = {.config = c};
    struct describe_hooks hooks = {.ctx = &about, .statement = statement, .flag = flag};
    struct obs_region *region;
    CHECK(obs_region_new(&region) == 0);
    CHECK(obs_open(&hooks.obs, region, 0, -1) == 0);
    worker_metrics(region);
    int rc = describe_write(out, c->json, services, &c->server, &hooks, error, error_bytes);
    obs_close(hooks.obs);
    obs_region_free(region);
    return rc;
}

int about_run(struct config *c)
{
    const struct rpc_service *services[SERVICES_MAX + 1];
    struct buf out = {0};
    char error[256];
    if (c->descriptor_set[0])
        return write_descriptor_set(c->descriptor_set);
    services_chosen(c->services, services);
    int rc = c->service_config
                 ? service_config_write(&out, services, &c->server, error, sizeof error)
                 : describe(c, services, &out, error, sizeof error);
    if (rc < 0) {
        fprintf(stderr, "faregate describe: %s\n", error);
        return 2;
    }
    fwrite(out.p + out.start, 1, buf_len(&out), stdout);
    buf_deinit(&out);
    return 0;
}
