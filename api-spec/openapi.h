/* The contract, openapi.yaml, in ASCII: as compact JSON for GET /openapi.json, and as a page of
   HTML for GET /docs, with the Content-Security-Policy that goes with it. */
#ifndef CERTWRIGHT_API_SPEC_OPENAPI_H
#define CERTWRIGHT_API_SPEC_OPENAPI_H

#include <stddef.h>

extern const char openapi_json[]; /* followed by a NUL */
extern const size_t openapi_json_size;
extern const char openapi_page[]; /* the same */
extern const size_t openapi_page_size;
extern const char openapi_page_policy[];

#endif
