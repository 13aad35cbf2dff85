#include "acme/base/utf8.h"

size_t utf8_character_size(const char *text, size_t left)
{
    const unsigned char *s = (const unsigned char *)text;
    if (left == 0)
        return 0;
    size_t size = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : *s < 0xf5 ? 4 : 0;
    if (size > left)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    bool overlong = (*s == 0xe0 && s[1] < 0xa0) || (*s == 0xf0 && s[1] < 0x90);
    bool surrogate = *s == 0xed && s[1] > 0x9f;
    bool too_high = *s == 0xf4 && s[1] > 0x8f;
    return overlong || surrogate || too_high ? 0 : size;
}

bool utf8_is(const char *text, size_t size)
{
    while (size > 0) {
        size_t step = utf8_character_size(text, size);
        if (step == 0)
            return false;
        text += step;
        size -= step;
    }
    return true;
}
