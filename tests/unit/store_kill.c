/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* Processes die while they use the store: first at each instruction of each verb, one after the
 * other, then at random moments and many at once. STORE_KILL_SAMPLES (3) is how many instructions
 * of each verb are met with a real SIGKILL, STORE_KILLS (200) how many die at random. */
#include "io/store_shm.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <apr_general.h>

#include "store_audit.h"
#include "tap.h"

#define NOW   INT64_C(1700000000)
#define HOUR  3600
#define SMALL ((apr_size_t)256 << 10)

static apr_pool_t *pool;
static gate_shm *shm;
static gate_store *store;

static double seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long setting(const char *name, long otherwise)
{
    const char *text = getenv(name);
    long value = text ? strtol(text, NULL, 10) : 0;

    return value > 0 ? value : otherwise;
}

static gate_shm *make(apr_size_t sessions, apr_size_t tokens)
{
    const gate_shm_options options = {sessions, tokens, NULL};
    const char *problem = NULL;
    gate_shm *made = NULL;

    if (gate_shm_create(pool, &options, &made, &problem) != APR_SUCCESS)
        printf("Bail out! %s\n", problem);
    return made;
}

/* Its version. */
static uint64_t write_edition(gate_store_kind kind, uint64_t n, uint64_t edition, size_t len,
                              int64_t expires)
{
    static unsigned char value[4096];
    const gate_store_key key = key_of(n);
    const gate_entry written = {{(const char *)value, len}, expires, 0, 0};
    uint64_t given = 0;

    fill_value(value, len, n, edition);
    store->put(store, kind, &key, NOW, &written, &given);
    return given;
}

/* --- at each instruction --- */

#define OTHERS 12 /* sessions that nobody touches: 1 to 12 */
#define TARGET 500
#define TOKENS 300

/* What the deed is done to; made ready beforehand, so that only the store's own instructions count.
 */
static gate_store_key subject;
static unsigned char content[4096];
static gate_entry entry;
static uint64_t version;
static gate_record record;

static void nothing(void)
{
}

static void put(void)
{
    store->put(store, GATE_STORE_SESSION, &subject, NOW, &entry, &version);
}

static void add(void)
{
    store->add(store, GATE_STORE_SESSION, &subject, NOW, &entry, &version);
}

static void replace(void)
{
    store->replace(store, GATE_STORE_SESSION, &subject, NOW, &entry, version, &version);
}

static void take(void)
{
    store->take(store, GATE_STORE_SESSION, &subject, NOW, pool, &record);
}

static void drop(void)
{
    store->drop(store, GATE_STORE_SESSION, &subject, NOW);
}

static void get_later(void)
{
    store->get(store, GATE_STORE_SESSION, &subject, NOW + 60, pool, &record);
}

static void add_token(void)
{
    store->add(store, GATE_STORE_TOKEN, &subject, NOW, &entry, &version);
}

/* Each verb, and what may be found of its subject afterwards: the edition, 0 for none. */
static const struct deed {
    const char *name;
    void (*act)(void);
    uint64_t key;
    uint64_t before, after;
    size_t len;
    bool orphaned; /* the lock's last holder died: what is interrupted is the repair */
} deeds[] = {
    {"put where nothing is", put, TARGET + 1, 0, 2, 700, false},
    {"add", add, TARGET + 1, 0, 2, 100, false},
    {"put over a record", put, TARGET, 1, 2, 1700, false},
    {"replace", replace, TARGET, 1, 2, 1000, false},
    {"take", take, TARGET, 1, 0, 0, false},
    {"drop", drop, TARGET, 1, 0, 0, false},
    {"get that moves it in its list", get_later, TARGET, 1, 1, 0, false},
    {"get of what has expired", get_later, TARGET + 2, 1, 0, 0, false},
    {"add that pushes others out", add_token, TARGET, 1, 1, 2500, false},
    {"the repair after a death", get_later, TARGET, 1, 1, 0, true},
};

/* Where the deed is interrupted, and what is done there; true to go on. */
typedef bool at_step(const struct deed *deed, long step, pid_t child);

/* Does the deed in a child, instruction by instruction. The number of them; -1: not possible here.
 */
static long trace(const struct deed *deed, void (*act)(void), at_step *look)
{
    long steps = 0;
    int status;
    pid_t child = fork();

    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(1);
        raise(SIGSTOP);
        act();
        _exit(0);
    }
    waitpid(child, &status, 0);
    if (!WIFSTOPPED(status))
        return -1;
    while (WIFSTOPPED(status) && (!look || look(deed, steps, child))) {
        if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) != 0)
            return -1;
        waitpid(child, &status, 0);
        steps++;
    }
    if (WIFSTOPPED(status)) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
    }
    return steps;
}

/* The edition of a session there; 0: none; UINT64_MAX: something that cannot be. */
static uint64_t edition_of(uint64_t n)
{
    gate_store_key key = key_of(n);
    gate_record found;
    uint64_t edition = UINT64_MAX;
    apr_pool_t *p;

    apr_pool_create(&p, pool);
    gate_store_answer answer = store->get(store, GATE_STORE_SESSION, &key, NOW, p, &found);
    if (answer == GATE_STORE_ABSENT)
        edition = 0;
    else if (answer != GATE_STORE_DONE || !is_value_of(found.value, n, &edition))
        edition = UINT64_MAX;
    apr_pool_destroy(p);
    return edition;
}

static void leave_orphaned(void)
{
    const gate_shm_region *region = gate_segment_region(shm->segment, GATE_STORE_SESSION);
    int status;
    pid_t child = fork();

    if (child == 0) {
        for (uint32_t n = 0; n < region->places; n++) {
            gate_stripe_lock(&region->stripes[n]);
            region->stripes[n].state->free = 1;
            region->stripes[n].state->kinds[GATE_STORE_SESSION].oldest = 7;
            region->stripes[n].state->kinds[GATE_STORE_SESSION].blocks += 50;
        }
        kill(getpid(), SIGKILL);
    }
    waitpid(child, &status, 0);
}

static void furnish(const struct deed *deed)
{
    shm = make(SMALL, SMALL);
    store = gate_shm_store(shm);
    for (uint64_t n = 1; n <= OTHERS; n++)
        write_edition(GATE_STORE_SESSION, n, n, 300 + n * 50, NOW + HOUR);
    for (uint64_t n = 0; n < TOKENS; n++)
        write_edition(GATE_STORE_TOKEN, n, 1, 500, NOW + HOUR);
    write_edition(GATE_STORE_SESSION, TARGET + 2, 1, 1500, NOW + 30);
    version = write_edition(GATE_STORE_SESSION, TARGET, 1, 1500, NOW + HOUR);
    write_edition(GATE_STORE_SESSION, OTHERS + 1, 1, 50, NOW + HOUR);
    subject = key_of(deed->key);
    fill_value(content, deed->len, deed->key, 2);
    entry = (gate_entry){{(const char *)content, deed->len}, NOW + HOUR, 0, 0};
    if (deed->orphaned)
        leave_orphaned();
}

/* NULL: all is as it must be after a death in the midst of the deed. */
static const char *inspect(const struct deed *deed)
{
    uint64_t found = edition_of(deed->key); /* unsure, where a lock cannot be had in a second */

    if (found != deed->before && found != deed->after)
        return "the record is neither the old one nor the new one";
    for (uint64_t n = 1; n <= OTHERS; n++) {
        if (edition_of(n) != n)
            return "another record is lost";
    }
    const char *wrong = audit(shm);
    if (wrong)
        return wrong;
    write_edition(GATE_STORE_SESSION, deed->key, 9, 800, NOW + HOUR);
    return edition_of(deed->key) == 9 ? NULL : "nothing can be written any more";
}

static unsigned char *furnished, *last_seen;
static long looks, limit;
static const char *wrong;

/* The holder of the lock is as good as dead: what it had done so far is what the next one finds. */
static void bury_holder(const gate_stripe *stripe)
{
    int rc = pthread_mutex_trylock(&stripe->state->lock.mutex);

    if (rc == EBUSY) {
        gate_stripe_reset_lock(stripe);
        gate_stripe_mend(stripe);
    } else if (rc == EOWNERDEAD) {
        gate_stripe_mend(stripe);
        pthread_mutex_consistent(&stripe->state->lock.mutex);
    }
    if (rc == 0 || rc == EOWNERDEAD)
        gate_stripe_unlock(stripe);
}

/* Whenever an instruction changed the segment: what would be if it were the last? Then the segment
 * is put back as the child, which stands still, left it. */
static bool imagine_death(const struct deed *deed, long step, pid_t child)
{
    gate_segment *segment = shm->segment;

    (void)step, (void)child;
    if (memcmp(segment->base, last_seen, segment->bytes) == 0)
        return true;
    memcpy(last_seen, segment->base, segment->bytes);
    looks++;
    for (unsigned i = 0; i < GATE_SHM_REGIONS; i++) {
        for (uint32_t n = 0; n < segment->regions[i].places; n++)
            bury_holder(&segment->regions[i].stripes[n]);
    }
    wrong = inspect(deed);
    memcpy(segment->base, last_seen, segment->bytes);
    return !wrong;
}

static bool until_limit(const struct deed *deed, long step, pid_t child)
{
    (void)deed, (void)child;
    return step < limit;
}

static void die_at_each_instruction(const struct deed *deed)
{
    looks = 0;
    furnish(deed);
    size_t bytes = shm->segment->bytes;
    furnished = malloc(bytes);
    last_seen = malloc(bytes);
    memcpy(furnished, shm->segment->base, bytes);
    memcpy(last_seen, shm->segment->base, bytes);
    wrong = NULL;
    long first = trace(deed, nothing, NULL);
    long steps = trace(deed, deed->act, imagine_death), samples = setting("STORE_KILL_SAMPLES", 3);
    if (wrong)
        printf("# %s\n", wrong);
    ok(!wrong && looks > 0,
       "%s: whichever of %ld instructions is the last, in %ld states nothing is torn, lost or "
       "stuck",
       deed->name, steps - first, looks);
    wrong = NULL;
    for (long n = 0; n < samples && !wrong; n++) {
        limit = first - 20 + (steps - first + 20) * n / samples;
        memcpy(shm->segment->base, furnished, bytes);
        trace(deed, deed->act, until_limit);
        wrong = inspect(deed);
        if (wrong)
            printf("# after %ld of %ld instructions: %s\n", limit, steps, wrong);
    }
    ok(!wrong, "%s: the same with a real death, %ld times", deed->name, samples);
    free(furnished);
    free(last_seen);
}

static void at_each_instruction(void)
{
    if (trace(NULL, nothing, NULL) < 0) {
        ok(1, "# SKIP processes cannot be traced here");
        return;
    }
    for (size_t i = 0; i < sizeof(deeds) / sizeof(*deeds); i++)
        die_at_each_instruction(&deeds[i]);
}

/* --- at random --- */

#define PROCESSES 5
#define WORKERS   2 /* threads of each */
#define OWN       24
#define SHARED    40

/* What a worker knows of its own keys; it outlives the worker. */
typedef struct ledger {
    uint64_t edition[OWN]; /* that is there; 0: none */
    volatile uint64_t doing_key;
    volatile uint64_t doing; /* the edition that `doing_key` may have as well */
    volatile bool is_doing;
    uint64_t last;
    uint64_t calls, unsure, wrong;
    double longest;
} ledger;

typedef struct board {
    volatile bool stop;
    ledger ledgers[PROCESSES][WORKERS];
} board;

static board *shared;

typedef struct worker {
    ledger *own;
    uint64_t base; /* of its keys */
    uint64_t dice;
    apr_pool_t *p;
} worker;

static uint64_t throw_dice(worker *w)
{
    w->dice = w->dice * UINT64_C(6364136223846793005) + 1442695040888963407;
    return w->dice >> 33;
}

static gate_store_answer note(worker *w, double start, gate_store_answer answer)
{
    double took = seconds() - start;

    if (took > w->own->longest)
        w->own->longest = took;
    w->own->calls++;
    w->own->unsure += answer == GATE_STORE_UNSURE;
    return answer;
}

static void expect(worker *w, bool good)
{
    if (!good)
        w->own->wrong++;
}

/* What is there under one of its own keys. */
static uint64_t look(worker *w, uint64_t k, uint64_t *there)
{
    gate_store_key key = key_of(w->base + k);
    gate_record found;
    uint64_t edition = 0;
    double start = seconds();
    gate_store_answer answer = note(
        w, start, store->get(store, GATE_STORE_SESSION, &key, NOW + (int64_t)start, w->p, &found));

    if (answer == GATE_STORE_DONE) {
        expect(w, is_value_of(found.value, w->base + k, &edition));
        *there = found.version;
    } else {
        expect(w, answer == GATE_STORE_ABSENT);
    }
    return edition;
}

/* After a death: the last change was made or was not. */
static void settle(worker *w)
{
    ledger *own = w->own;
    uint64_t ignored;

    if (!own->is_doing)
        return;
    uint64_t found = look(w, own->doing_key, &ignored);
    expect(w, found == own->doing || found == own->edition[own->doing_key]);
    own->edition[own->doing_key] = found;
    own->is_doing = false;
}

static void begin(ledger *own, uint64_t k, uint64_t edition)
{
    own->doing_key = k;
    own->doing = edition;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    own->is_doing = true;
}

static void finish(ledger *own, bool done)
{
    if (done)
        own->edition[own->doing_key] = own->doing;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    own->is_doing = false;
}

static void change_own(worker *w)
{
    ledger *own = w->own;
    uint64_t k = throw_dice(w) % OWN, if_version = 0, verb = throw_dice(w) % 5,
             edition = ++own->last;
    uint64_t there = look(w, k, &if_version);
    unsigned char value[1500];
    gate_store_key key = key_of(w->base + k);
    gate_entry draft = {{(const char *)value, 16 + throw_dice(w) % 1480}, NOW + 1000 * HOUR, 0, 0};
    gate_record found;
    gate_store_answer answer;

    expect(w, there == own->edition[k]);
    fill_value(value, draft.value.len, w->base + k, edition);
    begin(own, k, verb < 3 ? edition : 0);
    double start = seconds();
    if (verb == 0)
        answer = store->put(store, GATE_STORE_SESSION, &key, NOW, &draft, NULL);
    else if (verb == 1)
        answer = store->add(store, GATE_STORE_SESSION, &key, NOW, &draft, NULL);
    else if (verb == 2)
        answer = store->replace(store, GATE_STORE_SESSION, &key, NOW, &draft, if_version, NULL);
    else if (verb == 3)
        answer = store->take(store, GATE_STORE_SESSION, &key, NOW, w->p, &found);
    else
        answer = store->drop(store, GATE_STORE_SESSION, &key, NOW);
    finish(own, note(w, start, answer) == GATE_STORE_DONE);
    static const gate_store_answer wanted[5][2] = {
        {GATE_STORE_DONE, GATE_STORE_DONE},   {GATE_STORE_DONE, GATE_STORE_CONFLICT},
        {GATE_STORE_ABSENT, GATE_STORE_DONE}, {GATE_STORE_ABSENT, GATE_STORE_DONE},
        {GATE_STORE_ABSENT, GATE_STORE_DONE},
    };
    expect(w, answer == wanted[verb][there != 0]);
    if (verb == 3 && answer == GATE_STORE_DONE)
        expect(w, is_value_of(found.value, w->base + k, &edition) && edition == there);
}

/* Keys that everybody uses, in a region that is always full. */
static void use_shared(worker *w)
{
    uint64_t n = throw_dice(w) % SHARED, verb = throw_dice(w) % 6;
    unsigned char value[4000];
    gate_store_kind kind = GATE_STORE_TOKEN + (gate_store_kind)(throw_dice(w) % 3);
    gate_store_key key = key_of(n);
    gate_entry draft = {{(const char *)value, 16 + throw_dice(w) % 3980}, NOW + HOUR, 0, 0};
    gate_record found;
    gate_store_answer answer;
    double start = seconds();

    if (verb < 2) {
        fill_value(value, draft.value.len, n, w->own->last);
        start = seconds();
        answer = store->put(store, kind, &key, NOW, &draft, NULL);
    } else if (verb < 3) {
        answer = store->drop(store, kind, &key, NOW);
    } else {
        answer = (verb < 4 ? store->take : store->get)(store, kind, &key, NOW + (int64_t)start,
                                                       w->p, &found);
        if (answer == GATE_STORE_DONE)
            expect(w, is_value_of(found.value, n, NULL));
    }
    note(w, start, answer);
}

static void *work(void *data)
{
    worker *w = data;

    settle(w);
    while (!shared->stop) {
        change_own(w);
        use_shared(w);
        apr_pool_clear(w->p);
    }
    return NULL;
}

static pid_t spawn(unsigned process, uint64_t life)
{
    pthread_t threads[WORKERS];
    worker workers[WORKERS];
    pid_t child = fork();

    if (child != 0)
        return child;
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (worker){
            .own = &shared->ledgers[process][i],
            .base = (process * WORKERS + i + 1) * 1000,
            .dice = life * 1000 + process * 10 + i,
        };
        apr_pool_create(&workers[i].p, NULL);
        pthread_create(&threads[i], NULL, work, &workers[i]);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    _exit(0);
}

static uint64_t repairs(void)
{
    gate_shm_usage sessions, tokens;

    gate_shm_usage_of(shm, GATE_STORE_SESSION, &sessions);
    gate_shm_usage_of(shm, GATE_STORE_TOKEN, &tokens);
    return sessions.repaired + tokens.repaired;
}

/* Goes on until one of the dead held a lock. */
static long rampage(long kills)
{
    pid_t children[PROCESSES];
    uint64_t dice = (uint64_t)getpid();
    int status;
    long crashed = 0;

    for (unsigned i = 0; i < PROCESSES; i++)
        children[i] = spawn(i, i);
    for (long n = 0; n < kills || (repairs() == 0 && n < 10 * kills); n++) {
        dice = dice * UINT64_C(6364136223846793005) + 1442695040888963407;
        unsigned victim = (unsigned)((dice >> 40) % PROCESSES);
        usleep((useconds_t)((dice >> 33) % 6000));
        kill(children[victim], SIGKILL);
        waitpid(children[victim], &status, 0);
        crashed += !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL;
        children[victim] = spawn(victim, (uint64_t)n + 100);
    }
    usleep(200000);
    shared->stop = true;
    for (unsigned i = 0; i < PROCESSES; i++) {
        waitpid(children[i], &status, 0);
        crashed += !WIFEXITED(status);
    }
    return crashed;
}

static void at_random(void)
{
    long kills = setting("STORE_KILLS", 200);
    uint64_t calls = 0, unsure = 0, oddities = 0, lost = 0, kept = 0;
    double longest = 0;

    shm = make((apr_size_t)1 << 20, SMALL);
    store = gate_shm_store(shm);
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    long crashed = rampage(kills);
    for (unsigned i = 0; i < PROCESSES * WORKERS; i++) {
        const ledger *own = &shared->ledgers[i / WORKERS][i % WORKERS];
        calls += own->calls;
        unsure += own->unsure;
        oddities += own->wrong;
        longest = own->longest > longest ? own->longest : longest;
        for (uint64_t k = 0; k < OWN; k++) {
            lost += edition_of((i + 1) * 1000 + k) != own->edition[k];
            kept += own->edition[k] != 0;
        }
    }
    printf("# %ld kills, %lu calls, %lu repairs, longest call %.1f ms\n", kills,
           (unsigned long)calls, (unsigned long)repairs(), longest * 1000);
    ok(crashed == 0, "of %ld processes killed none died of anything else", kills);
    ok(lost == 0, "each of %lu records that were acknowledged is there, whole, and nothing else",
       (unsigned long)kept);
    ok(oddities == 0, "no call had an answer that cannot be");
    ok(unsure == 0,
       "nobody waited a second for a lock, and was told that the store could not tell");
    ok(repairs() > 0, "some died with a lock in their hands");
    const char *why = audit(shm);
    is(why ? why : "in order", "in order", "the store is in order afterwards");
}

int main(void)
{
    apr_initialize();
    apr_pool_create(&pool, NULL);
    at_each_instruction();
    at_random();
    apr_pool_destroy(pool);
    apr_terminate();
    return tap_done();
}
