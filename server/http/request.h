/* The callbacks through which libmicrohttpd tells of connections and requests. Private to
   server/http. */
#ifndef CERTWRIGHT_SERVER_HTTP_REQUEST_H
#define CERTWRIGHT_SERVER_HTTP_REQUEST_H

#include <microhttpd.h>
#include <stddef.h>

/* cls is the listener in all of them. */
void request_connection_changed(void *cls, struct MHD_Connection *mhd, void **socket_context,
                                enum MHD_ConnectionNotificationCode change);
void *request_line_arrived(void *cls, const char *target, struct MHD_Connection *mhd);
enum MHD_Result request_advance(void *cls, struct MHD_Connection *mhd, const char *url,
                                const char *method, const char *version, const char *data,
                                size_t *size, void **exchange);
void request_completed(void *cls, struct MHD_Connection *mhd, void **exchange,
                       enum MHD_RequestTerminationCode how);

#endif
