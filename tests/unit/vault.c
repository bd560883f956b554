/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
#include "base/vault.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <apr_general.h>

#include "tap.h"

static apr_pool_t *pool;

/* The flags of the mapping that an address is in, as /proc/self/smaps has them; "" for none. */
static const char *flags_of(const void *at)
{
    static char line[1024];
    FILE *maps = fopen("/proc/self/smaps", "r");
    int is_ours = 0;
    while (maps && fgets(line, sizeof line, maps)) {
        unsigned long from, to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            is_ours = (unsigned long)at >= from && (unsigned long)at < to;
        if (is_ours && !strncmp(line, "VmFlags:", 8)) {
            fclose(maps);
            return line;
        }
    }
    if (maps)
        fclose(maps);
    return "";
}

static void test_pages(void)
{
    apr_pool_t *p;
    const char *secret;
    apr_pool_create(&p, pool);
    secret = gate_vault_keep(p, GATE_SPAN("a secret"));
    is(secret, "a secret", "what is kept is kept");
    ok(strstr(flags_of(secret), " dd"), "in no core dump");
    ok(!strstr(flags_of(pool), " dd"), "unlike the memory of pools");
    apr_pool_destroy(p);
    ok(!*flags_of(secret), "and is gone with its pool");
}

static void test_pieces(void)
{
    static const size_t lengths[] = {0, 1, 15, 16, 17, 4096, 16383, 16384, 50000};
    unsigned char *pieces[200];
    size_t count = sizeof pieces / sizeof *pieces, whole = 0;
    apr_pool_t *p, *other;
    apr_pool_create(&p, pool);
    apr_pool_create(&other, p);
    for (size_t i = 0; i < count; i++) {
        const size_t len = lengths[i % (sizeof lengths / sizeof *lengths)];
        pieces[i] = gate_vault_alloc(i % 3 ? p : other, len);
        for (size_t k = 0; k < len; k++)
            whole += pieces[i][k] != 0;
        if (len)
            memset(pieces[i], (int)i, len);
    }
    ok(!whole, "memory comes zeroed");
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < lengths[i % (sizeof lengths / sizeof *lengths)]; k++)
            whole += pieces[i][k] != (unsigned char)i;
    ok(!whole, "and no piece is in another");
    apr_pool_destroy(p);
    ok(1, "two pools, one in the other, give theirs back");
    is(gate_vault_keep(pool, (gate_span){NULL, 0}), "", "nothing is kept as nothing");
}

/* Whatever children are made later, they have it; and what they do to it is theirs. */
static void test_fork(void)
{
    char *secret = gate_vault_alloc(pool, 16);
    int status = -1;
    memcpy(secret, "before", 7);
    fflush(stdout);
    const pid_t child = fork();
    if (!child) {
        const int good = !strcmp(secret, "before") && strstr(flags_of(secret), " dd");
        memcpy(secret, "after", 6);
        _exit(good ? 0 : 1);
    }
    waitpid(child, &status, 0);
    ok(status == 0, "a child has it, and hides it as well");
    is(secret, "before", "what it does to it is its own");
}

static void test_hidden(void)
{
    void *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ok(!strstr(flags_of(pages), " dd"), "memory is in core dumps");
    gate_vault_hide(pages, 8192);
    ok(strstr(flags_of(pages), " dd"), "until it is hidden");
    munmap(pages, 8192);
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    test_pages();
    test_pieces();
    test_fork();
    test_hidden();
    apr_pool_destroy(pool);
    apr_terminate();
    return tap_done();
}
