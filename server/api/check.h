/*
 * Checks of single values. Each returns NULL if the text is good, else what is wrong with it, as a
 * clause that follows the field's name ("must be …"); a static string.
 */
#ifndef CERTWRIGHT_SERVER_API_CHECK_H
#define CERTWRIGHT_SERVER_API_CHECK_H

enum {
    CHECK_NAME_MAX = 200,
    CHECK_URL_MAX = 2000,
    CHECK_REGION_MAX = 64,
    CHECK_EMAIL_MAX = 254, /* RFC 5321 section 4.5.3.1.3, without the brackets */
};

/* A resource's name: [a-z0-9][a-z0-9._-]{0,199}, never of a ULID's shape. */
const char *check_name(const char *text);

/* An absolute http or https URL in ASCII, without user, password or fragment. */
const char *check_url(const char *text);

/* The same, where secrets go: https, or http to this machine itself. */
const char *check_safe_url(const char *text);

/* The same: http to this machine itself. */
const char *check_loopback_url(const char *text);

/* A cloud's region, such as "cn-hangzhou". */
const char *check_region(const char *text);

/* One address in ASCII, LOCAL@DOMAIN, without quoting. */
const char *check_email(const char *text);

/* "mailto:" with one address and no header fields (RFC 8555 section 7.3). */
const char *check_contact(const char *text);

#endif
