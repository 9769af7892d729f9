/* What io/conn needs of io/tls.c: nobody outside this folder sees OpenSSL. */
#pragma once

struct ssl_st;
struct tls_context;

/* A server-side session over @fd, which stays the caller's. NULL when out of memory. */
struct ssl_st *tls_accept(struct tls_context *tls, int fd);
