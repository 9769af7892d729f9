/* The migrations and data files of this folder, inside the binary: nothing has to be installed
 * beside it. */
#pragma once

#include <stddef.h>

struct embedded_file {
    const char *name; /* "0001_reference.sql", "airport.tsv" */
    const char *data; /* followed by a NUL that size does not count */
    size_t size;
};

/* In order of name: migrations first. */
extern const struct embedded_file embedded_files[];
extern const size_t embedded_count;

/* NULL where there is none of that name. */
const struct embedded_file *embedded_find(const char *name);
