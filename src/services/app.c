/* Defaults and keys of what services share. The keeper calls it before the first worker starts,
 * `faregate dev` to make a secret.
 * What must stay true: labels never change (they name what is already sealed out there), and one
 * secret gives every server of an installation the same keys. */
#include "services/app.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "services/shared/error_line.h"
#include "services/shared/seal.h"

#define SECRET_BYTES_MIN 32
#define SECRET_BYTES_MAX 4096

const struct app_limits app_limits_default = {
    .hold_seconds = 1200,
    .offer_seconds = 1200,
    .search_stale_ms = 1000,
    .timetable_bytes = 256u << 20, /* twice a million flights; about 120 bytes each are used */
    .pin_seconds = 600,
    .access_token_seconds = 600,
    .token_cache_entries = 262144, /* travellers of ten minutes */
    .refresh_token_idle_seconds = 14 * 86400,
    .session_seconds = 90 * 86400,
    .refresh_grace_seconds = 30,
    .unpaid_holds_max = 5,
    .pay_attempts_user_max = 20,
    .pay_attempts_card_max = 10,
    .pay_attempts_booking_max = 10,
    .provider_timeout_ms = 10000,
    .provider_visibility_seconds = 90, /* Stripe's search: less than a minute */
    .cancellation_quote_seconds = 900,
    .argon2_kib = 19456, /* OWASP's least: 19 MiB, two passes, one lane */
    .argon2_passes = 2,
};

static int secret_read(const char *file, uint8_t ret_secret[static SECRET_BYTES_MAX + 1],
                       size_t *ret_bytes, char *error, size_t error_bytes)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_line(error, error_bytes, -errno, "%s: %m", file);
    struct stat st;
    ssize_t n = fstat(fd, &st) == 0 ? read(fd, ret_secret, SECRET_BYTES_MAX + 1) : -1;
    close(fd);
    if (n < 0)
        return error_line(error, error_bytes, -EIO, "%s: %m", file);
    if ((st.st_mode & 077) != 0)
        return error_line(error, error_bytes, -EPERM, "%s: others can read the secret; chmod 600",
                          file);
    if (n < SECRET_BYTES_MIN)
        return error_line(error, error_bytes, -EINVAL, "%s: the secret has less than %d bytes",
                          file, SECRET_BYTES_MIN);
    if (n > SECRET_BYTES_MAX)
        return error_line(error, error_bytes, -EINVAL,
                          "%s: the secret has more than %d bytes; earlier releases used the first "
                          "of them, so cut it there",
                          file, SECRET_BYTES_MAX);
    *ret_bytes = (size_t)n;
    return 0;
}

static int keys_derive(struct app_keys *ret_keys, struct str secret)
{
    uint8_t id[SEAL_KEY_BYTES];
    const struct {
        const char *label;
        uint8_t *key;
    } keys[] = {
        {"faregate offer v1", ret_keys->offer},
        {"faregate page token v1", ret_keys->page_token},
        {"faregate fingerprint v1", ret_keys->fingerprint},
        {"faregate refresh v1", ret_keys->refresh},
        {"faregate secret id v1", id},
    };
    int result = 0;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && result == 0; i++)
        result = seal_derive(secret, str_of(keys[i].label), keys[i].key);
    if (result == 0)
        *text_hex(ret_keys->id, id, sizeof ret_keys->id / 2) = '\0';
    return result;
}

static int keys_of_file(struct app_keys *ret_keys, const char *file, char *error,
                        size_t error_bytes)
{
    uint8_t secret[SECRET_BYTES_MAX + 1];
    size_t bytes = 0;
    int result = secret_read(file, secret, &bytes, error, error_bytes);
    if (result == 0) {
        result = keys_derive(ret_keys, str_bytes(secret, bytes));
        if (result < 0)
            error_line(error, error_bytes, result, "%s: keys could not be derived", file);
    }
    explicit_bzero(secret, sizeof secret);
    return result;
}

int app_keys_load(struct app_keys ret_keys[static APP_SECRETS_MAX], unsigned *ret_count,
                  const char *secret_files, char *error, size_t error_bytes)
{
    char file[PATH_MAX];
    unsigned count = 0;
    for (struct str rest = str_of(secret_files); rest.n > 0; count++) {
        struct str name = str_cut(&rest, ',');
        if (count == APP_SECRETS_MAX)
            return error_line(error, error_bytes, -E2BIG, "more than %d files", APP_SECRETS_MAX);
        if (name.n == 0 || name.n >= sizeof file)
            return error_line(error, error_bytes, -EINVAL, "%s: has %s name", secret_files,
                              name.n == 0 ? "an empty" : "too long a");
        memcpy(file, name.p, name.n);
        file[name.n] = '\0';
        int result = keys_of_file(&ret_keys[count], file, error, error_bytes);
        if (result < 0)
            return result;
    }
    *ret_count = count;
    return 0;
}

int app_secret_make(const char *secret_file, char *error, size_t error_bytes)
{
    uint8_t secret[64];
    int fd = open(secret_file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return 0;
    if (fd < 0)
        return error_line(error, error_bytes, -errno, "%s: %m", secret_file);
    random_bytes(secret, sizeof secret);
    bool ok = write(fd, secret, sizeof secret) == (ssize_t)sizeof secret && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    explicit_bzero(secret, sizeof secret);
    if (ok)
        return 0;
    unlink(secret_file);
    return error_line(error, error_bytes, -EIO, "%s: could not be written", secret_file);
}
