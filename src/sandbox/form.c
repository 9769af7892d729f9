/* application/x-www-form-urlencoded: what the wire brings in and the lines of the journal.
 * Called by the routes, the metadata code and the journal.
 * What must stay true: what form_put wrote, form_parse reads back byte for byte. */
#include "sandbox/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/check.h"
#include "base/str.h"
#include "base/text.h"

/* Decodes in place: the result is never longer. */
static int decode(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in == '+') {
            *out++ = ' ';
            continue;
        }
        if (*in != '%') {
            *out++ = *in;
            continue;
        }
        int high = text_hex_digit(in[1]);
        int low = high < 0 ? -1 : text_hex_digit(in[2]);
        if (low < 0 || (high == 0 && low == 0))
            return -EINVAL;
        *out++ = (char)(high * 16 + low);
        in += 2;
    }
    *out = '\0';
    return str_is_utf8(str_of(text)) ? 0 : -EINVAL;
}

int form_parse(struct form *form, char *text)
{
    form->count = 0;
    char *rest = text;
    while (rest && *rest) {
        char *field = strsep(&rest, "&");
        if (*field == '\0')
            continue;
        if (form->count == SANDBOX_FIELDS_MAX)
            return -E2BIG;
        char *value = field;
        char *name = strsep(&value, "=");
        /* A name alone has the empty value, which lives at the name's own NUL. */
        if (!value)
            value = name + strlen(name);
        if (decode(name) < 0 || decode(value) < 0)
            return -EINVAL;
        form->fields[form->count++] = (struct form_field){.name = name, .value = value};
    }
    return 0;
}

const char *form_get(const struct form *form, const char *name)
{
    for (size_t i = 0; i < form->count; i++)
        if (strcmp(form->fields[i].name, name) == 0)
            return form->fields[i].value;
    return NULL;
}

uint64_t form_hash(const struct form *form)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < form->count; i++) {
        uint64_t name = str_hash(str_of(form->fields[i].name));
        uint64_t value = str_hash(str_of(form->fields[i].value));
        /* Addition forgets the order of fields; the product ties each value to its name. */
        sum += (name | 1) * (value ^ UINT64_C(0x9e3779b97f4a7c15));
    }
    return sum;
}

/* Only what would be read as structure is escaped: saved JSON bodies stay readable in the journal.
 */
static void put_escaped(FILE *f, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == 0x7f || strchr("%&=+", c))
            fprintf(f, "%%%02x", c);
        else
            putc_unlocked(c, f);
    }
}

void form_put(FILE *f, const char *name, const char *value)
{
    CHECK(name && value);
    putc_unlocked('&', f);
    put_escaped(f, name);
    putc_unlocked('=', f);
    put_escaped(f, value);
}

void form_put_int(FILE *f, const char *name, int64_t value)
{
    fprintf(f, "&%s=%" PRId64, name, value);
}
