#include "server/outside/quote.h"

#include "acme/base/utf8.h"

#include <stdbool.h>
#include <string.h>

static bool is_blank(char c)
{
    return (unsigned char)c <= 0x20 || c == 0x7f;
}

void quote_text(const char *text, size_t size, char out[QUOTE_SIZE])
{
    size_t n = 0;
    while (size > 0 && is_blank(*text)) {
        text++;
        size--;
    }
    while (size > 0) {
        size_t length = utf8_character_size(text, size);
        size_t taken = length ? length : 1;
        if (n + taken >= QUOTE_SIZE)
            break;
        memcpy(out + n, text, taken);
        if (length == 0)
            out[n] = '?';
        else if (length == 1 && is_blank(*text))
            out[n] = ' ';
        n += taken;
        text += taken;
        size -= taken;
    }
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

void quote_tail(const char *text, size_t size, char out[QUOTE_SIZE])
{
    while (size > 0 && is_blank(text[size - 1]))
        size--;
    size_t cut = size >= QUOTE_SIZE ? size - QUOTE_SIZE + 1 : 0;
    while (cut > 0 && cut < size && ((unsigned char)text[cut] & 0xc0) == 0x80)
        cut++; /* the rest of a character */
    quote_text(text + cut, size - cut, out);
}
