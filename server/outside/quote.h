/* What a stranger said, made fit for a sentence of ours. */
#ifndef CERTWRIGHT_SERVER_OUTSIDE_QUOTE_H
#define CERTWRIGHT_SERVER_OUTSIDE_QUOTE_H

#include <stddef.h>

enum { QUOTE_SIZE = 401 };

/*
 * Fills out with text on one line: control characters become spaces, what is no UTF-8 question
 * marks, white space around it goes. Cut where out is full, between characters.
 */
void quote_text(const char *text, size_t size, char out[QUOTE_SIZE]);

/* The same, cut at the beginning: a program's last words are what counts. */
void quote_tail(const char *text, size_t size, char out[QUOTE_SIZE]);

#endif
