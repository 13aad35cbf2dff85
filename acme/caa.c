#include "acme/caa.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { CRITICAL = 128 };

/* A record, or the parts of one; what is not zero-terminated has its size. */
struct record {
    bool is_critical;
    const char *tag;
    size_t tag_size;
    const char *value;
};

/* What the parameters behind an issuer's name say (RFC 8657). */
enum fit { FITS, OTHER_ACCOUNT, OTHER_METHOD, UNREADABLE };

static const char blanks[] = " \t";

static struct record record_read(const char *text)
{
    struct record record;
    char *end;
    record.is_critical = (strtol(text, &end, 10) & CRITICAL) != 0;
    record.tag = end + strspn(end, blanks);
    record.tag_size = strcspn(record.tag, blanks);
    record.value = record.tag + record.tag_size;
    record.value += strspn(record.value, blanks);
    return record;
}

static bool is_word(const char *text, size_t size, const char *word)
{
    return strlen(word) == size && strncasecmp(text, word, size) == 0;
}

static bool has_tag(const struct record *record, const char *tag)
{
    return is_word(record->tag, record->tag_size, tag);
}

static bool is_known(const struct record *record)
{
    static const char *const tags[] = {"issue",    "issuewild",    "iodef",       "issuemail",
                                       "issuevmc", "contactemail", "contactphone"};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (has_tag(record, tags[i]))
            return true;
    return false;
}

/* ---- parameters ---- */

static size_t trimmed(const char *text, size_t size)
{
    while (size > 0 && strchr(blanks, text[size - 1]))
        size--;
    return size;
}

static bool lists(const char *list, size_t size, const char *method)
{
    const char *end = list + size;
    while (list < end) {
        size_t part = strcspn(list, ",;");
        part = part < (size_t)(end - list) ? part : (size_t)(end - list);
        if (is_word(list, trimmed(list, part), method))
            return true;
        list += part + 1;
    }
    return false;
}

/* One "tag=value", trimmed. */
static enum fit judge_parameter(const char *text, size_t size, const struct caa_question *question,
                                int *accounts)
{
    const char *equals = memchr(text, '=', size);
    if (!equals)
        return UNREADABLE;
    size_t tag = trimmed(text, (size_t)(equals - text));
    const char *value = equals + 1 + strspn(equals + 1, blanks);
    size_t value_size = value < text + size ? (size_t)(text + size - value) : 0;
    if (is_word(text, tag, "accounturi")) {
        if (++*accounts > 1) /* RFC 8657 section 3 */
            return UNREADABLE;
        bool is_ours =
            !question->account_url || (strlen(question->account_url) == value_size &&
                                       !memcmp(question->account_url, value, value_size));
        return is_ours ? FITS : OTHER_ACCOUNT;
    }
    bool fits = !is_word(text, tag, "validationmethods") || !question->challenge_type ||
                lists(value, value_size, question->challenge_type);
    return fits ? FITS : OTHER_METHOD;
}

/* What follows the issuer's name. */
static enum fit judge_parameters(const char *text, const struct caa_question *question)
{
    enum fit worst = FITS;
    int accounts = 0;
    while (*text) {
        text += strspn(text, " \t;");
        size_t size = strcspn(text, ";");
        if (size == 0)
            break;
        enum fit fit = judge_parameter(text, trimmed(text, size), question, &accounts);
        worst = fit > worst ? fit : worst;
        text += size;
    }
    return worst;
}

/* ---- records ---- */

static bool is_of_ca(const char *value, size_t size, const struct caa_question *question)
{
    for (size_t i = 0; i < question->identity_count; i++)
        if (is_word(value, size, question->identities[i]))
            return true;
    return false;
}

static void list_issuers(const char *const *records, size_t count, const char *tag, struct buf *why)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        struct record record = record_read(records[i]);
        size_t size = trimmed(record.value, strcspn(record.value, ";"));
        if (!has_tag(&record, tag) || size == 0)
            continue;
        buf_printf(why, "%s%.*s", any ? ", " : "allow only ", (int)size, record.value);
        any = true;
    }
    if (!any)
        buf_add_string(why, "allow nobody");
}

static enum caa_verdict judge_issuers(const char *const *records, size_t count, const char *tag,
                                      const struct caa_question *question, struct buf *why)
{
    static const char *const reasons[] = {
        [OTHER_ACCOUNT] = "allow this CA for another account only",
        [OTHER_METHOD] = "allow this CA by another method of validation only",
        [UNREADABLE] = "name this CA with parameters that cannot be read",
    };
    enum fit best = FITS;
    bool is_named = false;
    for (size_t i = 0; i < count; i++) {
        struct record record = record_read(records[i]);
        size_t size = strcspn(record.value, ";");
        if (!has_tag(&record, tag) ||
            !is_of_ca(record.value, trimmed(record.value, size), question))
            continue;
        enum fit fit = judge_parameters(record.value + size, question);
        if (fit == FITS) {
            buf_add_string(why, "allow this CA");
            return CAA_ALLOWS;
        }
        best = !is_named || fit < best ? fit : best;
        is_named = true;
    }
    if (is_named)
        buf_add_string(why, reasons[best]);
    else
        list_issuers(records, count, tag, why);
    return CAA_FORBIDS;
}

enum caa_verdict caa_judge(const char *const *records, size_t count,
                           const struct caa_question *question, struct buf *why)
{
    bool restricts = false, restricts_wildcards = false;
    for (size_t i = 0; i < count; i++) {
        struct record record = record_read(records[i]);
        if (record.is_critical && !is_known(&record)) {
            buf_printf(why, "hold a critical \"%.*s\", which no CA may pass over",
                       (int)record.tag_size, record.tag);
            return CAA_FORBIDS;
        }
        restricts |= has_tag(&record, "issue");
        restricts_wildcards |= has_tag(&record, "issuewild");
    }
    /* RFC 8659 section 4.3: for wildcards issuewild stands in the place of issue, if there is one.
     */
    bool by_wildcard = question->is_wildcard && restricts_wildcards;
    if (by_wildcard || restricts)
        return judge_issuers(records, count, by_wildcard ? "issuewild" : "issue", question, why);
    buf_add_string(why, "restrict nobody");
    return CAA_FREE;
}
