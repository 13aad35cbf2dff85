/*
 * EC keys as bytes. What stands around the numbers of a key on a known curve is always the same, so
 * it is kept here: OpenSSL 3.0 makes an encoder for each key, which takes 80 microseconds and more.
 */
#include "acme/key_private.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <string.h>

enum { PIECE_MAX = 36, SCALAR_MAX = 48, POINT_MAX = 1 + 2 * SCALAR_MAX };

struct piece {
    unsigned char bytes[PIECE_MAX];
    size_t size;
};

struct curve {
    const char *group;
    int nid;
    size_t scalar;            /* bytes of a private key */
    struct piece spki;        /* RFC 5280 section 4.1, RFC 5480: up to the point */
    struct piece pkcs8;       /* RFC 5958, RFC 5915: up to the private key */
    struct piece pkcs8_point; /* from there to the point */
};

static const struct curve curves[] = {
    {"prime256v1",
     NID_X9_62_prime256v1,
     32,
     {{0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
       0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00},
      26},
     {{0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86,
       0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
       0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20},
      36},
     {{0xa1, 0x44, 0x03, 0x42, 0x00}, 5}},
    {"secp384r1",
     NID_secp384r1,
     48,
     {{0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
       0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00},
      23},
     {{0x30, 0x81, 0xb6, 0x02, 0x01, 0x00, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86,
       0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22,
       0x04, 0x81, 0x9e, 0x30, 0x81, 0x9b, 0x02, 0x01, 0x01, 0x04, 0x30},
      35},
     {{0xa1, 0x64, 0x03, 0x62, 0x00}, 5}},
};

/* NULL unless the key names one of these curves. */
static const struct curve *curve_of(const EVP_PKEY *pkey)
{
    char group[64] = "", encoding[32] = "";
    if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC ||
        !EVP_PKEY_get_group_name(pkey, group, sizeof group, NULL) ||
        !EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_EC_ENCODING, encoding,
                                        sizeof encoding, NULL) ||
        strcmp(encoding, OSSL_PKEY_EC_ENCODING_GROUP) != 0)
        return NULL;
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
        if (!strcmp(curves[i].group, group))
            return &curves[i];
    return NULL;
}

static size_t point_size(const struct curve *curve)
{
    return 1 + 2 * curve->scalar;
}

/* False where the point is not in its long form. */
static bool read_point(const EVP_PKEY *pkey, const struct curve *curve, unsigned char *out)
{
    size_t size = 0;
    return EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, out, POINT_MAX, &size) &&
           size == point_size(curve);
}

static bool read_scalar(const EVP_PKEY *pkey, const struct curve *curve, unsigned char *out)
{
    BIGNUM *number = NULL;
    bool read = EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &number) &&
                BN_bn2binpad(number, out, (int)curve->scalar) >= 0;
    BN_clear_free(number);
    return read;
}

int key_ec_point(const EVP_PKEY *pkey, struct buf *out)
{
    unsigned char point[POINT_MAX];
    const struct curve *curve = curve_of(pkey);
    if (!curve || !read_point(pkey, curve, point))
        return NID_undef;
    buf_add(out, point, point_size(curve));
    return curve->nid;
}

bool key_ec_spki(const EVP_PKEY *pkey, struct buf *out)
{
    unsigned char point[POINT_MAX];
    const struct curve *curve = curve_of(pkey);
    if (!curve || !read_point(pkey, curve, point))
        return false;
    buf_add(out, curve->spki.bytes, curve->spki.size);
    buf_add(out, point, point_size(curve));
    return true;
}

bool key_ec_pkcs8(const EVP_PKEY *pkey, struct buf *out)
{
    /* In one piece, since a buffer that grows leaves what it held behind. */
    unsigned char der[PIECE_MAX + SCALAR_MAX + PIECE_MAX + POINT_MAX];
    const struct curve *curve = curve_of(pkey);
    if (!curve)
        return false;
    unsigned char *scalar = der + curve->pkcs8.size;
    unsigned char *middle = scalar + curve->scalar;
    unsigned char *point = middle + curve->pkcs8_point.size;
    memcpy(der, curve->pkcs8.bytes, curve->pkcs8.size);
    memcpy(middle, curve->pkcs8_point.bytes, curve->pkcs8_point.size);
    bool made = read_scalar(pkey, curve, scalar) && read_point(pkey, curve, point);
    if (made)
        buf_add(out, der, (size_t)(point - der) + point_size(curve));
    OPENSSL_cleanse(der, sizeof der);
    return made;
}
