/* Certificates that were issued elsewhere: from what a person has of them to a leaf and its chain.
 */
#ifndef CERTWRIGHT_ACME_ADOPT_H
#define CERTWRIGHT_ACME_ADOPT_H

#include "acme/cert.h"

enum { ADOPT_MAX_CERTS = 30 };

/*
 * Finds in a PEM text, whose certificates may come in any order, the one for that key (of several
 * the first), and from it as far towards a root as the others lead: of these nothing is appended to
 * chain_pem that does not belong to its way, nor the root itself. All else as cert_chain_read.
 *
 * ERR_CERT_INVALID also for a CA's certificate, one without DNS names and addresses in its
 * subjectAltName, and one with a signature that clients refuse; ERR_CERT_KEY_MISMATCH if none is
 * for the key.
 */
int adopt_chain(const char *pem, size_t size, const struct key *key, struct buf *leaf_pem,
                struct buf *chain_pem, struct cert_info *info, struct err *e);

#endif
