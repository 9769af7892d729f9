/* The simulator's process: books, journal, HTTP and webhooks in one loop, until a signal.
 * Called by main for `faregate sandbox-psp`; blocks until SIGTERM or SIGINT.
 * What must stay true: it stops with nothing lost and exit status 0. */
#include "sandbox/sandbox.h"

#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "sandbox/internal.h"

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Stop signals arrive as a readable descriptor, so that no handler runs in the middle of anything.
 */
static int signals_open(sigset_t *ret_before)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &stop, ret_before);
    return signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void serve(struct psp *psp, struct server *server, int signal_fd)
{
    for (;;) {
        struct curl_waitfd fds[] = {
            {.fd = sandbox_server_fd(server), .events = CURL_WAIT_POLLIN},
            {.fd = signal_fd, .events = CURL_WAIT_POLLIN},
        };
        int64_t before_ms = now_ms();
        webhooks_wait(psp->webhooks, fds, 2, before_ms,
                      sandbox_server_timeout_ms(server, before_ms));
        struct signalfd_siginfo info;
        if (read(signal_fd, &info, sizeof(info)) == sizeof(info))
            return;
        sandbox_server_turn(server, now_ms());
    }
}

static int start(struct psp *psp, struct server **ret_server)
{
    const struct sandbox_options *options = psp->options;
    int r = journal_open(&psp->journal, options->journal, &psp->books, options->keys_max);
    if (r < 0) {
        fprintf(stderr, "sandbox-psp: journal %s: %s\n", options->journal,
                r == -EBUSY ? "another sandbox uses it" : strerror(-r));
        return r;
    }
    r = webhooks_new(&psp->webhooks, options);
    if (r == 0)
        r = sandbox_server_new(ret_server, psp);
    if (r < 0)
        fprintf(stderr, "sandbox-psp: cannot listen on %s port %u: %s\n", options->host,
                options->port, strerror(-r));
    return r;
}

static const char *text_or_null(const char *text)
{
    return text && *text ? text : NULL;
}

int sandbox_psp_run(const struct sandbox_options *given)
{
    struct sandbox_options options = *given;
    options.api_key = text_or_null(given->api_key);
    options.journal = text_or_null(given->journal);
    options.webhook_url = text_or_null(given->webhook_url);
    struct psp psp = {.options = &options, .journal = {.fd = -1}};
    struct server *server = NULL;
    sigset_t before;
    books_init(&psp.books);
    int signal_fd = signals_open(&before);
    int r = signal_fd < 0 ? -1 : start(&psp, &server);
    if (r == 0) {
        printf("{\"event\":\"sandbox_psp.listening\",\"port\":%u,\"payments\":%u,\"refunds\":%u}\n",
               sandbox_server_port(server), psp.books.intents_count, psp.books.refunds_count);
        fflush(stdout);
        serve(&psp, server, signal_fd);
    }
    sandbox_server_free(server);
    webhooks_free(psp.webhooks);
    journal_close(&psp.journal);
    books_deinit(&psp.books);
    if (signal_fd >= 0)
        close(signal_fd);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return r == 0 ? 0 : 1;
}

int sandbox_psp_main(int argc, char **argv)
{
    struct sandbox_options options;
    int r = sandbox_options_parse(argc, argv, &options);
    if (r != 0)
        return r > 0 ? 0 : 2;
    return sandbox_psp_run(&options);
}
