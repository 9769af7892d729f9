/* Session tickets that every process of this server can open: the supervisor puts keys into shared
 * memory, OpenSSL asks for them here. What must stay true: keys are written by one process, never
 * leave this memory (no core dump, no swap where the system allows, no log), and one that was
 * replaced twice opens nothing. */
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/uuid.h"
#include "io/tls_internal.h"

#define NAME_BYTES 16
#define IV_BYTES 16

struct ticket_key {
    uint8_t name[NAME_BYTES]; /* travels with the ticket */
    uint8_t cipher[32];
    uint8_t mac[32];
};

struct tls_ticket_keys {
    _Atomic uint32_t version;  /* odd while a key is being replaced */
    struct ticket_key keys[2]; /* newest first */
};

int tls_ticket_keys_new(struct tls_ticket_keys **ret_keys)
{
    struct tls_ticket_keys *keys =
        mmap(NULL, sizeof *keys, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (keys == MAP_FAILED)
        return -errno;
    madvise(keys, sizeof *keys, MADV_DONTDUMP);
    mlock(keys, sizeof *keys); /* where RLIMIT_MEMLOCK grants a page */
    tls_ticket_keys_rotate(keys);
    tls_ticket_keys_rotate(keys); /* none of zeros */
    *ret_keys = keys;
    return 0;
}

struct tls_ticket_keys *tls_ticket_keys_free(struct tls_ticket_keys *keys)
{
    if (!keys)
        return NULL;
    OPENSSL_cleanse(keys, sizeof *keys);
    munmap(keys, sizeof *keys);
    return NULL;
}

void tls_ticket_keys_rotate(struct tls_ticket_keys *keys)
{
    struct ticket_key fresh;
    random_bytes(&fresh, sizeof fresh);
    atomic_fetch_add(&keys->version, 1);
    keys->keys[1] = keys->keys[0];
    keys->keys[0] = fresh;
    atomic_fetch_add(&keys->version, 1);
    OPENSSL_cleanse(&fresh, sizeof fresh);
}

/* A copy of both that no rotation tore. */
static void read_keys(const struct tls_ticket_keys *keys, struct ticket_key ret_keys[2])
{
    uint32_t before, after;
    do {
        before = atomic_load(&keys->version);
        memcpy(ret_keys, keys->keys, sizeof keys->keys);
        atomic_thread_fence(memory_order_seq_cst);
        after = atomic_load(&keys->version);
    } while (before != after || before % 2 != 0);
}

static bool init(const struct tls_set *set, const struct ticket_key *key, const uint8_t *iv,
                 EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->mac,
                                          sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_CipherInit_ex(cipher, set->ticket_cipher, NULL, key->cipher, iv, encrypt) == 1 &&
           EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 use it, 2 use it and issue a new one, 0 do a full
 * handshake, -1 fail. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int encrypt)
{
    const struct tls_set *set = tls_set_of(SSL_get_SSL_CTX(ssl));
    struct ticket_key keys[2];
    int result = 0;
    read_keys(set->ticket_keys, keys);
    if (encrypt) {
        memcpy(name, keys[0].name, NAME_BYTES);
        result = RAND_bytes(iv, IV_BYTES) == 1 && init(set, &keys[0], iv, cipher, mac, 1) ? 1 : -1;
    } else {
        for (unsigned i = 0; i < 2 && result == 0; i++)
            if (memcmp(name, keys[i].name, NAME_BYTES) == 0)
                result = init(set, &keys[i], iv, cipher, mac, 0) ? (int)i + 1 : -1;
    }
    OPENSSL_cleanse(keys, sizeof keys);
    return result;
}

bool tls_use_tickets(SSL_CTX *ssl, struct tls_set *set, uint32_t seconds)
{
    set->ticket_cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (!set->ticket_cipher || SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, on_ticket) != 1)
        return false;
    SSL_CTX_clear_options(ssl, SSL_OP_NO_TICKET);
    SSL_CTX_set_timeout(ssl, (long)seconds);
    /* One: who has many connections to make resumes each with the newest. */
    return SSL_CTX_set_num_tickets(ssl, 1) == 1;
}
