/* The contract, openapi.yaml, as compact JSON in ASCII: what GET /openapi.json answers. */
#ifndef CERTWRIGHT_API_SPEC_OPENAPI_H
#define CERTWRIGHT_API_SPEC_OPENAPI_H

#include <stddef.h>

extern const char openapi_json[]; /* followed by a NUL */
extern const size_t openapi_json_size;

#endif
