#include "server/access/secret.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX = 3, RANDOM = 43, CHECK = 6, ALPHABET = 62 };

static const char prefix[] = "cw_";
static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Bytes beyond the last whole alphabet would favour its first characters. */
static int fill_random(char *out, struct err *e)
{
    enum { FAIR = 256 / ALPHABET * ALPHABET };
    unsigned char bytes[64];
    for (int filled = 0; filled < RANDOM;) {
        if (RAND_bytes(bytes, sizeof bytes) != 1)
            return err_set(e, ERR_CRYPTO, "The random generator failed.");
        for (size_t i = 0; i < sizeof bytes && filled < RANDOM; i++)
            if (bytes[i] < FAIR)
                out[filled++] = alphabet[bytes[i] % ALPHABET];
    }
    OPENSSL_cleanse(bytes, sizeof bytes);
    return 0;
}

/* CRC-32 as of ISO/IEC 8802-3. */
static uint32_t checksum(const char *text, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= (unsigned char)text[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xEDB88320) : 0);
    }
    return ~crc;
}

/* In base 62, the highest digit first. */
static void write_checksum(const char *random, char out[CHECK])
{
    uint32_t rest = checksum(random, RANDOM);
    for (int i = CHECK - 1; i >= 0; i--) {
        out[i] = alphabet[rest % ALPHABET];
        rest /= ALPHABET;
    }
}

int secret_make(char out[SECRET_SIZE], struct err *e)
{
    char text[SECRET_SIZE] = {0};
    memcpy(text, prefix, PREFIX);
    if (fill_random(text + PREFIX, e) < 0)
        return -1;
    write_checksum(text + PREFIX, text + PREFIX + RANDOM);
    memcpy(out, text, sizeof text);
    OPENSSL_cleanse(text, sizeof text);
    return 0;
}

bool secret_is_damaged(const char *text)
{
    char check[CHECK];
    if (strncmp(text, prefix, PREFIX) != 0)
        return false;
    if (strlen(text) != SECRET_SIZE - 1)
        return true;
    write_checksum(text + PREFIX, check);
    return memcmp(check, text + PREFIX + RANDOM, CHECK) != 0;
}

void secret_hash(const char *text, unsigned char out[SECRET_HASH_SIZE])
{
    if (EVP_Digest(text, strlen(text), out, NULL, EVP_sha256(), NULL) != 1)
        abort();
}
