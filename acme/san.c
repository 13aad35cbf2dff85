#include "acme/san.h"

#include "acme/base/memory.h"
#include "acme/crypto.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static GENERAL_NAME *name_of(const struct identifier *id)
{
    GENERAL_NAME *name = crypto_alive(GENERAL_NAME_new());
    unsigned char address[16];
    if (id->type == IDENTIFIER_DNS) {
        ASN1_IA5STRING *text = crypto_alive(ASN1_IA5STRING_new());
        crypto_assert(ASN1_STRING_set(text, id->value, (int)strlen(id->value)));
        GENERAL_NAME_set0_value(name, GEN_DNS, text);
        return name;
    }
    bool v4 = inet_pton(AF_INET, id->value, address) == 1;
    if (!v4)
        crypto_assert(inet_pton(AF_INET6, id->value, address));
    ASN1_OCTET_STRING *bytes = crypto_alive(ASN1_OCTET_STRING_new());
    crypto_assert(ASN1_OCTET_STRING_set(bytes, address, v4 ? 4 : 16));
    GENERAL_NAME_set0_value(name, GEN_IPADD, bytes);
    return name;
}

GENERAL_NAMES *san_make(const struct identifier *ids, size_t count)
{
    GENERAL_NAMES *names = crypto_alive(GENERAL_NAMES_new());
    for (size_t i = 0; i < count; i++)
        crypto_assert(sk_GENERAL_NAME_push(names, name_of(&ids[i])));
    return names;
}

static int read_dns(const ASN1_STRING *text, struct identifier *out, struct err *e)
{
    const unsigned char *data = ASN1_STRING_get0_data(text);
    int size = ASN1_STRING_length(text);
    struct identifier id = {.type = IDENTIFIER_DNS};
    if (size <= 0 || size >= (int)sizeof id.value)
        return err_set(e, ERR_CERT_INVALID, "a DNS name of %d bytes", size);
    for (int i = 0; i < size; i++) {
        /* A NUL or blank inside would make us read another name than the CA signed. */
        if (data[i] <= ' ' || data[i] > '~')
            return err_set(e, ERR_CERT_INVALID, "a DNS name with bytes that no name has");
        id.value[i] = (char)tolower(data[i]);
    }
    *out = id;
    return 0;
}

static int read_ip(const ASN1_STRING *bytes, struct identifier *out, struct err *e)
{
    int size = ASN1_STRING_length(bytes);
    struct identifier id = {.type = IDENTIFIER_IP};
    if (size != 4 && size != 16)
        return err_set(e, ERR_CERT_INVALID, "an IP address of %d bytes", size);
    inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(bytes), id.value,
              sizeof id.value);
    *out = id;
    return 0;
}

int san_read(const GENERAL_NAMES *names, struct identifier **ids, size_t *count, bool *other,
             struct err *e)
{
    int total = sk_GENERAL_NAME_num(names);
    struct identifier *found = mem_new(total > 0 ? (size_t)total : 1, sizeof *found);
    size_t n = 0;
    bool others = false;
    for (int i = 0; i < total; i++) {
        int kind, rc = 0;
        const void *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind);
        if (kind == GEN_DNS)
            rc = read_dns(value, &found[n++], e);
        else if (kind == GEN_IPADD)
            rc = read_ip(value, &found[n++], e);
        else
            others = true;
        if (rc < 0) {
            free(found);
            return -1;
        }
    }
    *ids = found;
    *count = identifiers_sort(found, n);
    *other = others;
    return 0;
}
