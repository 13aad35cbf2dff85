#include "acme/cert.h"

#include "acme/base/clock.h"
#include "acme/base/memory.h"
#include "acme/crypto.h"
#include "acme/key_private.h"
#include "acme/san.h"

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { SERIAL_MAX_BYTES = 31 };

void cert_info_finish(struct cert_info *info)
{
    free(info->ids);
    *info = (struct cert_info){0};
}

/* The next block if it is a certificate. 1; 0 at the end; -1 with e. */
static int next_certificate(BIO *in, struct pem_block *block, struct err *e)
{
    int rc = pem_next(in, false, block);
    if (rc < 0)
        return crypto_error(e, ERR_CERT_INVALID, "the PEM is damaged");
    if (rc == 1 && strcmp(block->name, PEM_STRING_X509) != 0) {
        err_set(e, ERR_CERT_INVALID, "the PEM holds a %.40s among the certificates", block->name);
        pem_block_finish(block);
        return -1;
    }
    return rc;
}

static X509 *decode(const struct pem_block *block)
{
    const unsigned char *p = block->data;
    X509 *x = d2i_X509(NULL, &p, block->size);
    if (x && p != block->data + block->size) {
        X509_free(x);
        x = NULL;
    }
    return x;
}

static int read_serial(const X509 *x, char out[65], struct err *e)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
    unsigned char bytes[SERIAL_MAX_BYTES];
    if (!number || BN_num_bytes(number) > SERIAL_MAX_BYTES) {
        BN_free(number);
        return crypto_error(e, ERR_CERT_INVALID, "its serial number is not usable");
    }
    size_t size = (size_t)BN_bn2bin(number, bytes);
    if (size == 0)
        bytes[size++] = 0;
    if (BN_is_negative(number))
        *out++ = '-';
    crypto_hex(bytes, size, out);
    BN_free(number);
    return 0;
}

/* RFC 2253 text in UTF-8, cut at the end of a character if it is too long. */
static void read_name(const X509_NAME *name, char *out, size_t size)
{
    BIO *bio = crypto_alive(BIO_new(BIO_s_mem()));
    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    char *text = NULL;
    size_t length = (size_t)BIO_get_mem_data(bio, &text);
    if (length >= size) {
        length = size - 1;
        while (length && ((unsigned char)text[length] & 0xc0) == 0x80)
            length--;
    }
    if (length)
        memcpy(out, text, length);
    out[length] = '\0';
    BIO_free(bio);
}

static int read_time(const ASN1_TIME *time, int64_t *ms, struct err *e)
{
    struct tm tm;
    if (!ASN1_TIME_to_tm(time, &tm))
        return crypto_error(e, ERR_CERT_INVALID, "its validity cannot be read");
    *ms = (int64_t)timegm(&tm) * CLOCK_SECOND_MS;
    return 0;
}

static int read_names(X509 *x, struct cert_info *info, struct err *e)
{
    int critical;
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, &critical, NULL);
    if (!names && critical != -1)
        return crypto_error(e, ERR_CERT_INVALID, "its names cannot be read");
    ERR_clear_error();
    bool other;
    int rc = san_read(names, &info->ids, &info->count, &other, e);
    GENERAL_NAMES_free(names);
    return rc;
}

static int read_leaf(X509 *x, struct cert_info *info, struct err *e)
{
    const EVP_PKEY *pkey = X509_get0_pubkey(x);
    if (!pkey)
        return crypto_error(e, ERR_CERT_INVALID, "its public key cannot be read");
    if (key_type_of_evp(pkey, &info->key_type, e) < 0 ||
        key_spki_sha256_of(pkey, info->spki_sha256, e) < 0 || read_serial(x, info->serial, e) < 0 ||
        read_time(X509_get0_notBefore(x), &info->not_before_ms, e) < 0 ||
        read_time(X509_get0_notAfter(x), &info->not_after_ms, e) < 0)
        return -1;
    read_name(X509_get_issuer_name(x), info->issuer, sizeof info->issuer);
    read_name(X509_get_subject_name(x), info->subject, sizeof info->subject);
    return read_names(x, info, e);
}

/* ---- chains ---- */

/*
 * What a thread has read last that was no leaf. A CA sends the same issuer with each certificate,
 * and to read one takes some 150 microseconds with OpenSSL 3.0, which makes a decoder for its key.
 */
struct last_issuer {
    X509 *x;
    unsigned char *der;
    long size;
};

static pthread_key_t own_issuer;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void drop_issuer(void *arg)
{
    struct last_issuer *last = arg;
    X509_free(last->x);
    free(last->der);
    free(last);
}

static void make_slot(void)
{
    if (pthread_key_create(&own_issuer, drop_issuer))
        abort();
}

static void remember_issuer(const struct pem_block *block, X509 *x)
{
    struct last_issuer *last = pthread_getspecific(own_issuer);
    if (!last) {
        last = mem_new(1, sizeof *last);
        pthread_setspecific(own_issuer, last);
    }
    X509_free(last->x);
    free(last->der);
    crypto_assert(X509_up_ref(x));
    *last = (struct last_issuer){x, mem_new((size_t)block->size, 1), block->size};
    memcpy(last->der, block->data, (size_t)block->size);
}

/* As decode. */
static X509 *decode_issuer(const struct pem_block *block)
{
    pthread_once(&once, make_slot);
    const struct last_issuer *last = pthread_getspecific(own_issuer);
    if (last && last->size == block->size && !memcmp(last->der, block->data, (size_t)block->size)) {
        crypto_assert(X509_up_ref(last->x));
        return last->x;
    }
    X509 *x = decode(block);
    if (x)
        remember_issuer(block, x);
    return x;
}

/* By name, key identifier and signature. */
static bool certifies(X509 *issuer, X509 *subject)
{
    EVP_PKEY *key = X509_get0_pubkey(issuer);
    bool good =
        key && X509_check_issued(issuer, subject) == X509_V_OK && X509_verify(subject, key) == 1;
    ERR_clear_error();
    return good;
}

/* Appends certificate number n to the leaf or the chain. *previous, the one before it and NULL for
   the leaf, is replaced; the caller frees it. */
static int read_block(const struct pem_block *block, int n, X509 **previous, struct buf *leaf_pem,
                      struct buf *chain_pem, struct cert_info *info, struct err *e)
{
    X509 *x = n == 0 ? decode(block) : decode_issuer(block);
    if (!x)
        return crypto_error(e, ERR_CERT_INVALID, "a certificate cannot be read");
    int rc = n == 0 ? read_leaf(x, info, e) : 0;
    if (n > 0 && info->chain_break == 0 && !certifies(x, *previous))
        info->chain_break = n;
    if (rc == 0)
        pem_write(PEM_STRING_X509, block->data, (size_t)block->size, false,
                  n == 0 ? leaf_pem : chain_pem);
    X509_free(*previous);
    *previous = x;
    return rc;
}

static int read_chain(BIO *in, struct buf *leaf_pem, struct buf *chain_pem, struct cert_info *info,
                      struct err *e)
{
    struct pem_block block;
    X509 *previous = NULL;
    int count = 0, rc;
    while ((rc = next_certificate(in, &block, e)) == 1) {
        if (count == CERT_CHAIN_MAX_CERTS)
            rc = err_set(e, ERR_CERT_INVALID, "the chain holds more than %d certificates",
                         CERT_CHAIN_MAX_CERTS);
        else
            rc = read_block(&block, count, &previous, leaf_pem, chain_pem, info, e);
        pem_block_finish(&block);
        if (rc < 0)
            break;
        count++;
    }
    X509_free(previous);
    if (rc == 0 && count == 0)
        return err_set(e, ERR_CERT_INVALID, "there is no certificate in PEM form");
    return rc;
}

int cert_chain_read(const char *pem, size_t size, struct buf *leaf_pem, struct buf *chain_pem,
                    struct cert_info *info, struct err *e)
{
    if (size > CERT_CHAIN_MAX_BYTES)
        return err_set(e, ERR_CERT_INVALID, "the chain is larger than %d bytes",
                       CERT_CHAIN_MAX_BYTES);
    BIO *in = crypto_alive(BIO_new_mem_buf(pem, (int)size));
    struct buf leaf = {0}, chain = {0};
    struct cert_info read = {0};
    int rc = read_chain(in, &leaf, &chain, &read, e);
    if (rc == 0) {
        buf_add(leaf_pem, leaf.data, leaf.size);
        buf_add(chain_pem, chain.data, chain.size);
        *info = read;
    } else {
        cert_info_finish(&read);
    }
    buf_finish(&leaf);
    buf_finish(&chain);
    BIO_free(in);
    return rc;
}

/* The first name of a that b lacks, or NULL; both sorted. */
static const struct identifier *first_missing(const struct identifier *a, size_t a_count,
                                              const struct identifier *b, size_t b_count)
{
    size_t j = 0;
    for (size_t i = 0; i < a_count; i++) {
        while (j < b_count && identifier_compare(&b[j], &a[i]) < 0)
            j++;
        if (j == b_count || identifier_compare(&b[j], &a[i]) != 0)
            return &a[i];
    }
    return NULL;
}

int cert_check(const struct cert_info *info, const char *spki_sha256, const struct identifier *ids,
               size_t count, int64_t now_ms, struct err *e)
{
    if (strcmp(info->spki_sha256, spki_sha256) != 0)
        return err_set(e, ERR_CERT_KEY_MISMATCH, "the certificate is for another public key");
    const struct identifier *absent = first_missing(ids, count, info->ids, info->count);
    if (absent)
        return err_set(e, ERR_CERT_NAMES_MISMATCH, "the certificate lacks '%s'", absent->value);
    const struct identifier *extra = first_missing(info->ids, info->count, ids, count);
    if (extra)
        return err_set(e, ERR_CERT_NAMES_MISMATCH, "the certificate also holds '%s'", extra->value);
    char at[CLOCK_RFC3339_SIZE];
    if (info->not_before_ms > now_ms + CLOCK_HOUR_MS) {
        clock_rfc3339(info->not_before_ms, at);
        return err_set(e, ERR_CERT_VALIDITY, "the certificate is not valid before %s", at);
    }
    if (info->not_after_ms < now_ms) {
        clock_rfc3339(info->not_after_ms, at);
        return err_set(e, ERR_CERT_VALIDITY, "the certificate has expired at %s", at);
    }
    return 0;
}

int cert_to_der(const char *pem, size_t size, struct buf *out, struct err *e)
{
    BIO *in = crypto_alive(BIO_new_mem_buf(pem, (int)size));
    struct pem_block block;
    int rc = next_certificate(in, &block, e);
    BIO_free(in);
    if (rc == 0)
        return err_set(e, ERR_CERT_INVALID, "there is no certificate in PEM form");
    if (rc < 0)
        return -1;
    X509 *x = decode(&block);
    if (x)
        buf_add(out, block.data, (size_t)block.size);
    pem_block_finish(&block);
    if (!x)
        return crypto_error(e, ERR_CERT_INVALID, "the certificate cannot be read");
    X509_free(x);
    return 0;
}

static bool has_issuer(const X509 *x, const char *name)
{
    const X509_NAME *issuer = X509_get_issuer_name(x);
    int at = -1;
    bool same = false;
    while (!same && (at = X509_NAME_get_index_by_NID(issuer, NID_commonName, at)) >= 0) {
        unsigned char *text = NULL;
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(issuer, at);
        int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
        same = size > 0 && (size_t)size == strlen(name) && !memcmp(text, name, (size_t)size);
        OPENSSL_free(text);
    }
    return same;
}

int cert_fingerprint(const char *pem, size_t size, char out[CERT_FINGERPRINT_SIZE], struct err *e)
{
    struct buf der = {0};
    unsigned char hash[CRYPTO_SHA256_BYTES];
    if (cert_to_der(pem, size, &der, e) < 0)
        return -1;
    crypto_sha256(der.data, der.size, hash);
    crypto_hex(hash, sizeof hash, out);
    buf_finish(&der);
    return 0;
}

static bool is_key_id(const ASN1_OCTET_STRING *id, const unsigned char *wanted, long size)
{
    return id && size > 0 && ASN1_STRING_length(id) == size &&
           !memcmp(ASN1_STRING_get0_data(id), wanted, (size_t)size);
}

static bool has_key_id(X509 *x, const char *hex)
{
    long size = 0;
    unsigned char *wanted = OPENSSL_hexstr2buf(hex, &size);
    bool same = wanted && (is_key_id(X509_get0_subject_key_id(x), wanted, size) ||
                           is_key_id(X509_get0_authority_key_id(x), wanted, size));
    OPENSSL_free(wanted);
    return same;
}

bool cert_chain_has_issuer(const char *pem, size_t size, const char *name)
{
    if (size > CERT_CHAIN_MAX_BYTES)
        return false;
    BIO *in = crypto_alive(BIO_new_mem_buf(pem, (int)size));
    struct pem_block block;
    struct err ignored;
    bool found = false;
    while (!found && next_certificate(in, &block, &ignored) == 1) {
        X509 *x = decode(&block);
        found = x && (has_issuer(x, name) || has_key_id(x, name));
        X509_free(x);
        pem_block_finish(&block);
    }
    BIO_free(in);
    ERR_clear_error();
    return found;
}
