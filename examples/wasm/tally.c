/* Reads text on standard input and prints its most frequent words, most frequent first.
 *
 *     tally [COUNT]
 *
 * Exit code: 0 if there was a word, 1 if there was none, 2 for a COUNT that is not a number.
 * Words are runs of ASCII letters, compared in lower case; at most WORD_MAX bytes of each count.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_MAX = 31, SLOTS_FIRST = 1024 };

struct slot {
    char word[WORD_MAX + 1];
    unsigned long count; /* 0: the slot is empty */
};

struct table {
    struct slot *slots;
    size_t capacity; /* a power of two, at most half full */
    size_t used;
};

static size_t hash_of(const char *word)
{
    size_t hash = 2166136261u; /* FNV-1a */
    for (; *word; word++)
        hash = (hash ^ (unsigned char)*word) * 16777619u;
    return hash;
}

static struct slot *find(const struct table *table, const char *word)
{
    size_t at = hash_of(word) & (table->capacity - 1);
    while (table->slots[at].count && strcmp(table->slots[at].word, word) != 0)
        at = (at + 1) & (table->capacity - 1);
    return &table->slots[at];
}

static struct table make(size_t capacity)
{
    struct table table = {calloc(capacity, sizeof(struct slot)), capacity, 0};
    if (!table.slots) {
        fputs("tally: out of memory\n", stderr);
        exit(3);
    }
    return table;
}

static void grow(struct table *table)
{
    struct table wider = make(table->capacity * 2);
    for (size_t i = 0; i < table->capacity; i++)
        if (table->slots[i].count)
            *find(&wider, table->slots[i].word) = table->slots[i];
    wider.used = table->used;
    free(table->slots);
    *table = wider;
}

static void add(struct table *table, const char *word)
{
    struct slot *slot = find(table, word);
    if (slot->count++ == 0) {
        strcpy(slot->word, word);
        if (++table->used * 2 > table->capacity)
            grow(table);
    }
}

static int by_count_then_word(const void *left, const void *right)
{
    const struct slot *a = left, *b = right;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return strcmp(a->word, b->word);
}

int main(int argc, char **argv)
{
    char *end = "";
    unsigned long wanted = argc > 1 ? strtoul(argv[1], &end, 10) : 10;
    if (*end || wanted == 0) {
        fprintf(stderr, "tally: COUNT must be a number above 0, not '%s'\n", argv[1]);
        return 2;
    }

    struct table table = make(SLOTS_FIRST);
    char word[WORD_MAX + 1];
    size_t length = 0;
    for (int c; (c = getchar()) != EOF || length;) {
        if (c != EOF && isalpha(c)) {
            if (length < WORD_MAX)
                word[length++] = (char)tolower(c);
        } else if (length) {
            word[length] = 0;
            add(&table, word);
            length = 0;
        }
    }

    qsort(table.slots, table.capacity, sizeof(struct slot), by_count_then_word);
    for (size_t i = 0; i < table.used && i < wanted; i++)
        printf("%6lu %s\n", table.slots[i].count, table.slots[i].word);
    return table.used ? 0 : 1;
}
