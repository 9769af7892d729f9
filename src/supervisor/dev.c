/* One machine, one command: makes what is missing in the data directory, starts the private
 * PostgreSQL and the payment simulator beside us, and runs the supervisor on top. A second start
 * finds everything and only starts it. What must stay true: whatever ends us, neither PostgreSQL
 * nor the simulator is left behind. */
#include "supervisor/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/text.h"
#include "base/uuid.h"
#include "embedded/cluster.h"
#include "io/listen.h"
#include "io/tls.h"
#include "sandbox/sandbox.h"
#include "schema/migrate.h"
#include "seed/seed.h"
#include "services/auth/auth.h"
#include "services/auth/token.h"
#include "supervisor/guide.h"
#include "supervisor/lanes.h"
#include "supervisor/state.h"
#include "supervisor/supervisor.h"

#define PSP_WAIT_MS_MAX 10000
#define PSP_POLL_MS 20
#define CONNECTIONS_MIN 100 /* a `faregate serve` beside it has room */
#define STAFF_EMAIL "finance@faregate.example"

struct dev {
    struct config config; /* what the supervisor runs with */
    char keys[PATH_MAX], secret[PATH_MAX], certificate[PATH_MAX], key[PATH_MAX], psp_key[PATH_MAX],
        log[PATH_MAX];
    char staff_password[PATH_MAX], journal[PATH_MAX];
    char listen[64], listen_tls[64], admin[64], provider_url[64];
    struct cluster *cluster;
    pid_t psp;
};

static void say(const char *text)
{
    fprintf(stderr, "%s\n", text);
}

static int read_first_line(const char *path, char *ret_line, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret_line, bytes - 1);
    if (fd >= 0)
        close(fd);
    ret_line[n > 0 ? n : 0] = '\0';
    ret_line[strcspn(ret_line, "\n")] = '\0';
    return ret_line[0] ? 0 : -ENOENT;
}

/* A file with one random line, made once: the simulator's API key, the staff user's password. It
 * gets its name when it is whole. */
static int make_random_line(const char *path, const char *prefix, char *ret_line, size_t bytes)
{
    uint8_t random[18];
    char text[2 * sizeof random + 1], fresh[PATH_MAX + 8];
    if (read_first_line(path, ret_line, bytes) == 0)
        return 0;
    random_bytes(random, sizeof random);
    *text_hex(text, random, sizeof random) = '\0';
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && dprintf(fd, "%s%s\n", prefix, text) > 0 && fsync(fd) == 0;
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (ok && rename(fresh, path) == 0)
        return read_first_line(path, ret_line, bytes);
    fprintf(stderr, "faregate dev: cannot write %s: %s\n", path, strerror(ok ? errno : error));
    return -EIO;
}

static int make_files(struct dev *d, const char *data)
{
    struct stat st;
    char error[256] = "";
    if (mkdir(data, 0755) < 0 && errno != EEXIST) {
        fprintf(stderr, "faregate dev: cannot make --data=%s: %s\n", data, strerror(errno));
        return -errno;
    }
    snprintf(d->keys, sizeof d->keys, "%s/keys", data);
    snprintf(d->secret, sizeof d->secret, "%s/secret", data);
    snprintf(d->certificate, sizeof d->certificate, "%s/tls-certificate.pem", data);
    snprintf(d->key, sizeof d->key, "%s/tls-key.pem", data);
    snprintf(d->psp_key, sizeof d->psp_key, "%s/psp-key", data);
    snprintf(d->staff_password, sizeof d->staff_password, "%s/finance-password", data);
    snprintf(d->journal, sizeof d->journal, "%s/psp-journal", data);
    snprintf(d->log, sizeof d->log, "%s/faregate.log", data);
    mkdir(d->keys, 0700);
    if (tokens_make_key(d->keys, error, sizeof error) < 0 ||
        app_secret_make(d->secret, error, sizeof error) < 0 ||
        (stat(d->certificate, &st) < 0 &&
         tls_make_self_signed(d->certificate, d->key, error, sizeof error) < 0)) {
        fprintf(stderr, "faregate dev: %s\n", error);
        return -EIO;
    }
    return 0;
}

static int start_database(struct dev *d, const struct config *c)
{
    const unsigned wanted = lanes_connections(c, state_cpus_allowed());
    const struct cluster_options options = {
        .dir = c->data,
        .max_connections = wanted > CONNECTIONS_MIN ? (int)wanted : CONNECTIONS_MIN,
    };
    say("starting the private PostgreSQL");
    int r = cluster_start(&options, &d->cluster);
    if (r < 0)
        return r;
    const char *conninfo = cluster_conninfo(d->cluster);
    const struct seed_options seed = {
        .conninfo = conninfo,
        .scale = c->scale_permille / 1000.0,
        .days = (int)c->days,
        .seed = c->seed,
        .start = c->start,
    };
    r = migrate_run(conninfo, stderr);
    if (r == 0)
        r = seed_run(&seed);
    return r;
}

/* A member of staff, so that refunds can be tried: finance@faregate.example, password in a file of
 * the data directory. */
static int make_staff(struct dev *d)
{
    char password[128], error[256] = "";
    int r = make_random_line(d->staff_password, "", password, sizeof password);
    if (r == 0)
        r = auth_make_user(cluster_conninfo(d->cluster), STAFF_EMAIL, password,
                           "traveller,finance,support", &d->config.app, error, sizeof error);
    explicit_bzero(password, sizeof password);
    if (r < 0 && r != -EEXIST && error[0])
        fprintf(stderr, "faregate dev: %s\n", error);
    return r == -EEXIST ? 0 : r;
}

/* Before minutes go into data: what will be listened on is free. */
static int check_ports(const struct config *c)
{
    static const char *const flags[] = {"--port", "--port + 1 (TLS)", "--admin-port",
                                        "--admin-port + 1 (the payment simulator)"};
    const uint32_t ports[] = {c->port, c->port + 1, c->admin_port, c->admin_port + 1};
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        char address[32], error[256];
        int fd;
        snprintf(address, sizeof address, "127.0.0.1:%u", ports[i]);
        int r = listen_open(address, 1, &fd, error, sizeof error);
        if (r < 0) {
            fprintf(stderr, "faregate dev: %s: %s\n", flags[i], error);
            return r;
        }
        close(fd);
    }
    return 0;
}

/* Until it answers: what is paid before that would fail. */
static int await_psp(struct dev *d, uint32_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr = {htonl(INADDR_LOOPBACK)},
    };
    for (int ms = 0; ms < PSP_WAIT_MS_MAX; ms += PSP_POLL_MS) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bool answers =
            fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0;
        if (fd >= 0)
            close(fd);
        if (companion_has_ended(d->psp))
            break;
        if (answers)
            return 0;
        usleep(PSP_POLL_MS * 1000);
    }
    fprintf(stderr, "faregate dev: the payment simulator does not answer on port %u\n", port);
    return -EIO;
}

static int start_psp(struct dev *d, uint32_t port)
{
    char key[128];
    int r = make_random_line(d->psp_key, "sk_test_", key, sizeof key);
    if (r < 0)
        return r;
    d->psp = fork();
    if (d->psp == 0) {
        setpgid(0, 0); /* Ctrl-C is for us; it is stopped after the last payment has drained */
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        prctl(PR_SET_NAME, "faregate psp");
        struct sandbox_options options = sandbox_options_default();
        options.host = "127.0.0.1";
        options.port = (uint16_t)port;
        options.api_key = key;
        options.journal = d->journal;
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDOUT_FILENO);
        _exit(sandbox_psp_run(&options));
    }
    return d->psp < 0 ? -errno : await_psp(d, port);
}

static void settle(struct dev *d, const struct config *c)
{
    struct config *out = &d->config;
    snprintf(d->listen, sizeof d->listen, "127.0.0.1:%u", c->port);
    snprintf(d->listen_tls, sizeof d->listen_tls, "127.0.0.1:%u", c->port + 1);
    snprintf(d->admin, sizeof d->admin, "127.0.0.1:%u", c->admin_port);
    snprintf(d->provider_url, sizeof d->provider_url, "http://127.0.0.1:%u", c->admin_port + 1);
    out->channelz = true; /* only this machine can ask */
    out->listen = d->listen;
    out->listen_tls = d->listen_tls;
    out->admin = d->admin;
    out->tls_certificate = d->certificate;
    out->tls_key = d->key;
    out->keys = d->keys;
    out->secret = d->secret;
    out->provider_url = d->provider_url;
    out->provider_key = d->psp_key;
    out->payment_return_url = "https://sandbox.invalid/returned";
    out->database = cluster_conninfo(d->cluster);
    if (strcmp(c->log, "-") == 0)
        out->log = d->log;
}

static void on_ready(void *ctx)
{
    struct dev *d = ctx;
    guide_print(stdout, &d->config, d->certificate, d->log);
}

static void stop_psp(struct dev *d)
{
    if (d->psp <= 0)
        return;
    kill(d->psp, SIGTERM);
    while (waitpid(d->psp, NULL, 0) < 0 && errno == EINTR)
        ;
}

int dev_run(const struct config *config)
{
    struct dev *d = calloc(1, sizeof *d);
    int status = 2;
    if (!d)
        return status;
    d->config = *config;
    if (make_files(d, config->data) == 0 && check_ports(config) == 0 &&
        start_database(d, config) == 0 && make_staff(d) == 0 &&
        start_psp(d, config->admin_port + 1) == 0) {
        const struct companion companions[] = {
            {"the private PostgreSQL", cluster_pid(d->cluster)},
            {"the payment simulator", d->psp},
            {NULL, 0},
        };
        settle(d, config);
        status = supervisor_run(&d->config, companions, on_ready, d);
    }
    stop_psp(d);
    if (d->cluster)
        cluster_stop(d->cluster);
    free(d);
    return status;
}
