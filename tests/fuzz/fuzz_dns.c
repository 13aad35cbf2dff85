/* DNS packets from anybody. The first byte chooses the type that was asked for. */
#include "server/solver/dns_message.h"
#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>

static void check_name(const char *name)
{
    char again[DNS_NAME_SIZE];
    must(dns_name_read(name, again), "a name that was read can be read");
    must_equal(again, name, "a name is read as itself");
}

static void check_value(enum dns_type type, const char *value)
{
    unsigned char address[16];
    if (type == DNS_NS)
        check_name(value);
    if (type == DNS_CAA)
        must(strspn(value, "0123456789") > 0 && strchr(value, ' '), "a CAA record has flags");
    if (type == DNS_A)
        must(inet_pton(AF_INET, value, address) == 1, "an A record holds an address");
    if (type == DNS_AAAA)
        must(inet_pton(AF_INET6, value, address) == 1, "an AAAA record holds an address");
}

static void check_answer(const struct dns_answer *answer, const struct dns_question *question)
{
    if (answer->truncated)
        return;
    check_name(answer->name);
    must(answer->alias || !strcmp(answer->name, question->name), "only aliases lead elsewhere");
    if (*answer->zone) {
        check_name(answer->zone);
        must(dns_name_within(answer->name, answer->zone), "a zone is one of the name");
    }
    for (size_t i = 0; i < answer->value_count; i++)
        check_value(question->type, answer->values[i]);
    must(dns_rcode_name(answer->rcode), "every rcode can be told");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = {DNS_TXT, DNS_NS, DNS_A, DNS_AAAA, DNS_SOA, DNS_CAA};
    struct dns_question question = {.name = "_acme-challenge.example.org", .recursive = true};
    if (size < 3)
        return 0;
    question.type = types[data[0] % (sizeof types / sizeof *types)];
    /* Guessing the id is no part of this. */
    question.id = (uint16_t)(data[1] << 8 | data[2]);
    struct dns_answer answer = {0}, copy = {0};
    if (dns_answer_read(data + 1, size - 1, &question, &answer)) {
        check_answer(&answer, &question);
        dns_answer_copy(&answer, &copy);
        check_answer(&copy, &question);
        must(copy.value_count == answer.value_count, "a copy is whole");
        dns_answer_finish(&copy);
        dns_answer_finish(&answer);
    }

    char name[DNS_NAME_SIZE];
    char *text = mem_strndup((const char *)data, size);
    if (dns_name_read(text, name))
        check_name(name);
    free(text);
    return 0;
}
