/* Signing keys: made, loaded from a directory of PEM files, published. Start-up and `faregate dev`
 * call it. What must stay true: a key others can read is not used; a key's name (kid) follows from
 * the key (RFC 7638). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "io/tls.h"
#include "services/auth/token_internal.h"
#include "services/shared/error_line.h"

/* The thumbprint's input is fixed by RFC 7638 and 8037: these three members, in this order. */
static void key_describe(struct token_key *key, const uint8_t public_key[32])
{
    char text[256], kid[BASE64URL_LEN(32) + 1];
    uint8_t digest[32];
    base64url_encode(public_key, 32, key->public.x);
    int n = snprintf(text, sizeof text, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"%s\"}",
                     key->public.x);
    seal_sha256((struct str){text, (size_t)n}, digest);
    base64url_encode(digest, sizeof digest, kid);
    memcpy(key->public.kid, kid, TOKEN_KID_LEN);
    key->public.kid[TOKEN_KID_LEN] = '\0';
    n = snprintf(text, sizeof text, "{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"%s\"}",
                 key->public.kid);
    CHECK(BASE64URL_LEN((size_t)n) + 2 <= sizeof key->header);
    base64url_encode(text, (size_t)n, key->header);
    key->header_len = strlen(key->header);
    key->header[key->header_len++] = '.';
}

static int key_read(struct token_key *key, int dir_fd, const char *dir, const char *name,
                    char *error, size_t error_bytes)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return error_line(error, error_bytes, -errno, "%s/%s: %m", dir, name);
    struct stat st;
    if (fstat(fd, &st) < 0 || (st.st_mode & 077) != 0) {
        close(fd);
        return error_line(error, error_bytes, -EPERM, "%s/%s: others can read this key; chmod 600",
                          dir, name);
    }
    FILE *file = fdopen(fd, "r");
    CHECK(file);
    key->pkey = PEM_read_PrivateKey(file, NULL, tls_no_password, NULL);
    fclose(file);
    uint8_t public_key[32];
    size_t bytes = sizeof public_key;
    if (!key->pkey || EVP_PKEY_id(key->pkey) != EVP_PKEY_ED25519 ||
        EVP_PKEY_get_raw_public_key(key->pkey, public_key, &bytes) != 1 ||
        bytes != sizeof public_key)
        return error_line(error, error_bytes, -EINVAL,
                          "%s/%s: not an Ed25519 private key in PEM form", dir, name);
    key_describe(key, public_key);
    return 0;
}

/* "1700000000.pem"; anything else in the directory is not ours. */
static bool key_time(const char *name, int64_t *ret_from_s)
{
    struct str stem = str_of(name);
    if (stem.n < 5 || !str_eq((struct str){stem.p + stem.n - 4, 4}, STR(".pem")))
        return false;
    stem.n -= 4;
    return str_int64(stem, 0, INT64_MAX / NS_PER_S, ret_from_s) == 0;
}

static int by_age(const void *a, const void *b)
{
    const struct token_key *left = a, *right = b;
    return (left->from_s > right->from_s) - (left->from_s < right->from_s);
}

int token_keys_load(struct tokens *t, const char *dir, char *error, size_t error_bytes)
{
    DIR *d = opendir(dir);
    if (!d)
        return error_line(error, error_bytes, -errno, "%s: %m", dir);
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(d));) {
        int64_t from_s;
        if (!key_time(entry->d_name, &from_s))
            continue;
        if (t->key_count == TOKEN_KEYS_MAX) {
            result = error_line(error, error_bytes, -E2BIG,
                                "%s: more than %d keys; remove old ones", dir, TOKEN_KEYS_MAX);
            break;
        }
        struct token_key *key = &t->keys[t->key_count++];
        key->from_s = from_s;
        result = key_read(key, dirfd(d), dir, entry->d_name, error, error_bytes);
    }
    closedir(d);
    if (result == 0 && t->key_count == 0)
        result = error_line(error, error_bytes, -ENOENT, "%s: no signing key (NUMBER.pem)", dir);
    qsort(t->keys, t->key_count, sizeof t->keys[0], by_age);
    t->keys_id = 0;
    for (unsigned i = 0; i < t->key_count; i++)
        t->keys_id = t->keys_id * 31 + str_hash(str_of(t->keys[i].public.kid));
    return result;
}

void token_keys_free(struct tokens *t)
{
    for (unsigned i = 0; i < t->key_count; i++)
        EVP_PKEY_free(t->keys[i].pkey);
    t->key_count = 0;
}

/* If none is due yet (a first key dated ahead), the oldest signs. */
const struct token_key *token_key_at(const struct tokens *t, int64_t issue_s)
{
    const struct token_key *best = &t->keys[0];
    for (unsigned i = 1; i < t->key_count; i++) {
        if (t->keys[i].from_s <= issue_s)
            best = &t->keys[i];
    }
    return best;
}

const struct token_key *token_key_of_header(const struct tokens *t, struct str token)
{
    for (unsigned i = 0; i < t->key_count; i++) {
        if (str_starts(token, (struct str){t->keys[i].header, t->keys[i].header_len}))
            return &t->keys[i];
    }
    return NULL;
}

static int key_write(const char *path, EVP_PKEY *pkey, char *error, size_t error_bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_line(error, error_bytes, -errno, "%s: %m", path);
    FILE *file = fdopen(fd, "w");
    CHECK(file);
    bool ok = PEM_write_PrivateKey(file, pkey, NULL, NULL, 0, NULL, NULL) == 1 &&
              fflush(file) == 0 && fsync(fd) == 0;
    ok = fclose(file) == 0 && ok;
    if (ok)
        return 0;
    unlink(path);
    return error_line(error, error_bytes, -EIO, "%s: could not be written", path);
}

int tokens_make_key(const char *dir, char *error, size_t error_bytes)
{
    struct tokens probe = {0};
    int result = token_keys_load(&probe, dir, error, error_bytes);
    token_keys_free(&probe);
    if (result != -ENOENT)
        return result;
    return tokens_add_key(dir, clock_wall_ns(&clock_system) / NS_PER_S, error, error_bytes);
}

int tokens_add_key(const char *dir, int64_t from_s, char *error, size_t error_bytes)
{
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return error_line(error, error_bytes, -errno, "%s: %m", dir);
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%lld.pem", dir, (long long)from_s);
    if (n >= (int)sizeof path)
        return error_line(error, error_bytes, -ENAMETOOLONG, "%s: name too long", dir);
    EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    CHECK(pkey);
    int result = key_write(path, pkey, error, error_bytes);
    EVP_PKEY_free(pkey);
    return result;
}

unsigned tokens_key_count(const struct tokens *tokens)
{
    return tokens->key_count;
}

const struct token_key_public *tokens_key(const struct tokens *tokens, unsigned index)
{
    CHECK(index < tokens->key_count);
    return &tokens->keys[index].public;
}

void tokens_jwks_json(const struct tokens *tokens, struct buf *out)
{
    buf_append_str(out, STR("{\"keys\":["));
    for (unsigned i = 0; i < tokens->key_count; i++) {
        const struct token_key_public *key = &tokens->keys[i].public;
        buf_printf(
            out,
            "%s{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\",\"kid\":\"%s\",\"alg\":\"EdDSA\","
            "\"use\":\"sig\"}",
            i ? "," : "", key->x, key->kid);
    }
    buf_append_str(out, STR("]}"));
}
