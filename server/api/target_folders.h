/* Two deployments never share a folder: each would replace the other's files. */
#ifndef CERTWRIGHT_SERVER_API_TARGET_FOLDERS_H
#define CERTWRIGHT_SERVER_API_TARGET_FOLDERS_H

#include "acme/base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct db;
struct fields;

/*
 * Complains, at /targets/N, of the certificate's stored items of type files whose folder an item of
 * another certificate, or an earlier one of its own, has; then ERR_INVALID. names_others: the
 * caller may know the other's name. ERR_NOT_FOUND if there is no such certificate.
 */
int target_folders_check(struct db *db, const char *certificate, bool names_others,
                         struct fields *errors, struct err *e);

/*
 * Complains, at /targets/N, of items of type files with a deployment above the id `after`, the last
 * one of before, whose folder in the target's directory is not called after one of the
 * certificate's own names. 0 also with complaints.
 */
int target_folders_check_names(struct db *db, int64_t certificate_id, int64_t after,
                               struct fields *errors, struct err *e);

/*
 * Complains, at /directory, if two stored deployments share a folder, one of them on this target;
 * then ERR_INVALID. target NULL: on any.
 */
int target_folders_check_target(struct db *db, const char *target, struct fields *errors,
                                struct err *e);

#endif
