/*
 * The log: one line an event on standard error, as logfmt (time level message key=value …).
 * Values are escaped, so that nothing from outside can forge a line. Never pass a secret.
 */
#ifndef CERTWRIGHT_ACME_BASE_LOG_H
#define CERTWRIGHT_ACME_BASE_LOG_H

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Lines below level are dropped; LOG_LEVEL_INFO until set. */
void log_set_level(enum log_level level);

/*
 * log_info("job finished", "job", id, "state", state, NULL): a fixed message, then pairs of key and
 * value as strings, then NULL. A NULL value drops its pair only at the end, so pass "" instead.
 */
void log_debug(const char *message, ...) __attribute__((sentinel));
void log_info(const char *message, ...) __attribute__((sentinel));
void log_warn(const char *message, ...) __attribute__((sentinel));
void log_error(const char *message, ...) __attribute__((sentinel));

#endif
