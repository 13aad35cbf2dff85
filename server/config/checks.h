/* What is wrong with a text of the configuration, as a sentence; NULL: nothing. Private to
   server/config. */
#ifndef CERTWRIGHT_SERVER_CONFIG_CHECKS_H
#define CERTWRIGHT_SERVER_CONFIG_CHECKS_H

/* "HOST:PORT", "[v6]:PORT" or "unix:PATH". */
const char *checks_address(const char *text);
/* An absolute path. */
const char *checks_absolute(const char *text);
/* A name that API bodies may use: [a-z0-9][a-z0-9._-]{0,199}. */
const char *checks_name(const char *text);
/* Anything. */
const char *checks_nothing(const char *text);

#endif
