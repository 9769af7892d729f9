/* faregate: one binary, several commands. Parses the configuration and hands it to whoever does the
 * work. What must stay true: this file knows every part and does nothing itself. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "about.h"
#include "base/complain.h"
#include "check/check.h"
#include "config.h"
#include "sandbox/sandbox.h"
#include "schema/migrate.h"
#include "seed/seed.h"
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

/* Whoever starts us with 0, 1 or 2 closed would have the log or a connection of libpq take that
 * number, and what is meant for stderr written into it. Read-only, so that a report to nowhere
 * fails as it did. */
static void take_standard_descriptors(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDONLY);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* A report that nobody got is none, whatever it says. */
static int told(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    complain("what was to be printed could not be written");
    return 2;
}

int main(int argc, char **argv)
{
    struct config config;
    take_standard_descriptors();
    if (argc > 2 && strcmp(argv[1], "help") == 0) { /* help COMMAND is COMMAND --help */
        argv[1] = argv[2];
        argv[2] = "--help";
    }
    if (argc > 1 && strcmp(argv[1], "sandbox-psp") == 0)
        return sandbox_psp_main(argc - 1, argv + 1);
    int r = config_parse(argc, argv, &config);
    if (r != 0)
        return r < 0 ? 2 : told(0);
    switch (config.command) {
    case COMMAND_SERVE:
    case COMMAND_JOBS:
        return supervisor_run(&config, NULL, NULL, NULL);
    case COMMAND_DEV:
        return dev_run(&config);
    case COMMAND_MIGRATE:
        return told(migrate(&config));
    case COMMAND_SEED:
        return seed(&config);
    case COMMAND_CHECK:
        return told(check_run(config.database, config.json));
    case COMMAND_DESCRIBE:
        return told(about_run(&config));
    case COMMAND_USER:
        return user(&config);
    case COMMAND_VERSION:
        printf("faregate %s (%s)\n", FG_VERSION, FG_REVISION);
        return told(0);
    default:
        config_help(stdout, COMMAND_HELP);
        return told(0);
    }
}
