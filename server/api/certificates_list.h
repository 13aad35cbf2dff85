/* GET /certificates. */
#ifndef CERTWRIGHT_SERVER_API_CERTIFICATES_LIST_H
#define CERTWRIGHT_SERVER_API_CERTIFICATES_LIST_H

struct http_exchange;

void certificates_list(struct http_exchange *x, void *context);

#endif
