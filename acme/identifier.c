#include "acme/identifier.h"

#include "acme/base/memory.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <idn2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 1024, NAME_MAX_BYTES = 253, LABEL_MAX_BYTES = 63 };

static bool is_ascii(const char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s > 127)
            return false;
    return true;
}

static bool all_digits(const char *s, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!isdigit((unsigned char)s[i]))
            return false;
    return size > 0;
}

static void lower(char *s)
{
    for (; *s; s++)
        *s = (char)tolower((unsigned char)*s);
}

/* People paste what stands in the address bar; say which part is too much. */
static int check_shape(const char *text, struct err *e)
{
    if (!*text)
        return err_set(e, ERR_INVALID, "an identifier is empty");
    if (strlen(text) > INPUT_MAX)
        return err_set(e, ERR_INVALID, "an identifier is longer than any host name can be");
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 127)
            return err_set(e, ERR_INVALID, "'%s' holds white space or a control character", text);
    if (strstr(text, "://"))
        return err_set(e, ERR_INVALID, "'%s' is a URL; give the host name alone", text);
    if (strchr(text, '/'))
        return err_set(e, ERR_INVALID, "'%s' holds a slash; give one host name or address", text);
    if (strchr(text, '@'))
        return err_set(e, ERR_INVALID, "'%s' is a mail address; give a host name", text);
    return 0;
}

/* Addresses that only embed an IPv4 address have several spellings and no CA certifies them. */
static bool embeds_ipv4(const unsigned char a[16])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const unsigned char compatible[12] = {0};
    if (!memcmp(a, mapped, sizeof mapped))
        return true;
    return !memcmp(a, compatible, sizeof compatible) && (a[12] || a[13]);
}

/* Returns 1 if text is an IP address, 0 if it is none, -1 with e if it may not be used. */
static int parse_ip(const char *text, struct identifier *out, struct err *e)
{
    unsigned char a[16];
    int family = inet_pton(AF_INET, text, a) == 1    ? AF_INET
                 : inet_pton(AF_INET6, text, a) == 1 ? AF_INET6
                                                     : AF_UNSPEC;
    if (family == AF_UNSPEC)
        return 0;
    if (family == AF_INET6 && embeds_ipv4(a))
        return err_set(e, ERR_INVALID, "'%s' embeds an IPv4 address; give that one itself", text);
    struct identifier id = {.type = IDENTIFIER_IP};
    inet_ntop(family, a, id.value, sizeof id.value);
    *out = id;
    return 1;
}

static int check_label(const char *label, size_t size, const char *text, struct err *e)
{
    if (size == 0)
        return err_set(e, ERR_INVALID, "'%s' has an empty label", text);
    if (size > LABEL_MAX_BYTES)
        return err_set(e, ERR_INVALID, "'%s' has a label longer than 63 bytes", text);
    if (label[0] == '-' || label[size - 1] == '-')
        return err_set(e, ERR_INVALID, "'%s' has a label that starts or ends with a hyphen", text);
    for (size_t i = 0; i < size; i++) {
        if (label[i] == '_')
            return err_set(e, ERR_INVALID, "'%s' holds an underscore: no host name", text);
        if (!isalnum((unsigned char)label[i]) && label[i] != '-')
            return err_set(e, ERR_INVALID, "'%s' holds '%c', which no host name can", text,
                           label[i]);
    }
    return 0;
}

/* A host name of letters, digits and hyphens with at least two labels, the wildcard's counted; text
   is what was given. */
static int check_name(const char *name, bool wildcard, const char *text, struct err *e)
{
    if (strlen(name) > NAME_MAX_BYTES)
        return err_set(e, ERR_INVALID, "'%s' is longer than 253 bytes", text);
    int labels = wildcard ? 1 : 0;
    for (const char *p = name;; p++) {
        size_t size = strcspn(p, ".");
        if (check_label(p, size, text, e) < 0)
            return -1;
        labels++;
        if (!p[size] && all_digits(p, size))
            return err_set(e, ERR_INVALID, "'%s' ends in a number, but is no IPv4 address", text);
        p += size;
        if (!*p)
            break;
    }
    if (labels < 2)
        return err_set(e, ERR_INVALID, "'%s' is a single label; no CA certifies it", text);
    return 0;
}

/*
 * A-labels that libidn2 finds disallowed (emoji domains are registered and in use) are left to the
 * CA; what is not even Punycode is refused.
 */
static int check_a_labels(const char *name, const char *text, struct err *e)
{
    char *unicode = NULL;
    int rc = idn2_to_unicode_8z8z(name, &unicode, 0);
    idn2_free(unicode);
    if (rc == IDN2_PUNYCODE_BAD_INPUT || rc == IDN2_PUNYCODE_OVERFLOW ||
        rc == IDN2_PUNYCODE_BIG_OUTPUT)
        return err_set(e, ERR_INVALID, "'%s' has a broken A-label (xn--…)", text);
    return 0;
}

/* The name in A-labels and lower case, which the caller frees; NULL with e. */
static char *to_ascii(const char *name, const char *text, struct err *e)
{
    if (is_ascii(name)) {
        char *same = mem_strdup(name);
        lower(same);
        return same;
    }
    char *ascii = NULL;
    int rc = idn2_to_ascii_8z(name, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    if (rc == IDN2_MALLOC)
        mem_exhausted();
    if (rc != IDN2_OK) {
        err_set(e, ERR_INVALID, "'%s' is no internationalized host name: %s", text,
                idn2_strerror(rc));
        return NULL;
    }
    char *out = mem_strdup(ascii);
    idn2_free(ascii);
    lower(out);
    return out;
}

static int parse_dns(const char *text, struct identifier *out, struct err *e)
{
    bool wildcard = !strncmp(text, "*.", 2);
    const char *base = wildcard ? text + 2 : text;
    if (strchr(base, '*'))
        return err_set(e, ERR_INVALID, "'%s': a wildcard is one '*.' in front of a name", text);
    struct identifier id = {.type = IDENTIFIER_DNS}, ip;
    if (wildcard && parse_ip(base, &ip, e) != 0)
        return err_set(e, ERR_INVALID, "'%s': there is no wildcard of an IP address", text);
    if (strchr(base, ':') || strchr(base, '['))
        return err_set(e, ERR_INVALID,
                       "'%s' is neither a host name nor an IP address; leave out port and brackets",
                       text);
    char *name = to_ascii(base, text, e);
    if (!name)
        return -1;
    size_t size = strlen(name);
    if (size > 1 && name[size - 1] == '.')
        name[--size] = '\0';

    int rc = 0;
    if (check_name(name, wildcard, text, e) < 0 || check_a_labels(name, text, e) < 0)
        rc = -1;
    else if (wildcard && size + 2 > NAME_MAX_BYTES)
        rc = err_set(e, ERR_INVALID, "'%s' is longer than 253 bytes", text);
    else
        snprintf(id.value, sizeof id.value, "%s%s", wildcard ? "*." : "", name);
    free(name);
    if (rc == 0)
        *out = id;
    return rc;
}

int identifier_parse(const char *text, struct identifier *out, struct err *e)
{
    if (check_shape(text, e) < 0)
        return -1;
    int ip = parse_ip(text, out, e);
    if (ip != 0)
        return ip < 0 ? -1 : 0;
    return parse_dns(text, out, e);
}

const char *identifier_type_name(enum identifier_type type)
{
    return type == IDENTIFIER_IP ? "ip" : "dns";
}

bool identifier_is_wildcard(const struct identifier *id)
{
    return id->type == IDENTIFIER_DNS && !strncmp(id->value, "*.", 2);
}

const char *identifier_base(const struct identifier *id)
{
    return identifier_is_wildcard(id) ? id->value + 2 : id->value;
}

int identifier_compare(const struct identifier *a, const struct identifier *b)
{
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    return strcmp(a->value, b->value);
}

static int compare(const void *a, const void *b)
{
    return identifier_compare(a, b);
}

size_t identifiers_sort(struct identifier *ids, size_t count)
{
    if (count == 0)
        return 0;
    qsort(ids, count, sizeof *ids, compare);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (identifier_compare(&ids[kept - 1], &ids[i]) != 0)
            ids[kept++] = ids[i];
    return kept;
}

bool identifiers_equal(const struct identifier *a, size_t a_count, const struct identifier *b,
                       size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (identifier_compare(&a[i], &b[i]) != 0)
            return false;
    return true;
}
