/*
 * Sentences that thousands would say alike, each kept once. Not for several threads at a time: the
 * caller guards them.
 */
#ifndef CERTWRIGHT_SERVER_SOLVER_REMARKS_H
#define CERTWRIGHT_SERVER_SOLVER_REMARKS_H

/* All zeros is none. */
struct remarks {
    void *root; /* of tsearch */
};

/* Whoever still has one must not use it any more. */
void remarks_finish(struct remarks *remarks);

/* The sentence, to be given back by remarks_release. */
const char *remarks_take(struct remarks *remarks, const char *text);

/* NULL is fine. */
void remarks_release(struct remarks *remarks, const char *text);

#endif
