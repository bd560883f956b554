/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* A segment in a file is always built beside it and renamed when it is complete, so that whatever
 * bears the name is a whole store. Whoever uses a file holds its flock(2); children inherit that,
 * so it is held until the last of them is gone, also when the parent is killed.
 *
 * A file that outlives the machine's power may hold pages of different ages. What is not whole
 * goes when it is opened; what was removed in the last seconds before may be there again. */
#include "io/shm_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <apr_shm.h>
#include <apr_strings.h>

#include "base/vault.h"

#define PAGE          4096
#define STRIPES_MAX   4096
#define STRIPE_LEAST  ((apr_uint64_t)128 << 10)
#define STRIPE_USUAL  ((apr_uint64_t)2 << 20)
#define LAYOUT        2
#define BYTE_ORDER_AS 0x01020304
#define VERSION_LEAP  ((uint64_t)1 << 32) /* past all that were given and perhaps not written */

static const char magic[8] = {'O', 'I', 'D', 'C', 'G', 'A', 'T', 'E'};

typedef struct header {
    char magic[8];
    uint32_t layout;
    uint32_t byte_order;
    uint64_t region_bytes[GATE_SHM_REGIONS];
    uint64_t bytes;
    gate_sum_seed seed;
    gate_key secret;
    uint64_t sum; /* of all above */
} header;

/* The rest of the first page, which changes while the store is in use. */
#define BOUNDS_AT 1024

_Static_assert(sizeof(header) <= BOUNDS_AT, "the header ends where the bounds begin");
_Static_assert(BOUNDS_AT + GATE_STORE_KINDS * sizeof(gate_segment_bound) <= PAGE,
               "header and bounds have a page");

/* --- geometry --- */

/* Sixteen stripes, so that few wait for each other; fewer where a stripe would be too small to hold
 * a few dozen sessions, more where one would be so large that mending it takes long. The default
 * regions (32 and 16 MiB) have sixteen of 2 and 1 MiB: the largest record has room in each. */
static uint32_t stripes_for(apr_uint64_t bytes)
{
    apr_uint64_t each = bytes / 16;
    uint32_t places = 1;

    if (each > STRIPE_USUAL)
        each = STRIPE_USUAL;
    if (each < STRIPE_LEAST)
        each = STRIPE_LEAST;
    while (places < STRIPES_MAX && 2 * each * places <= bytes)
        places *= 2;
    return places;
}

/* False: a size that cannot be. Fills in all but the memory. */
static bool plan(gate_segment *segment, const apr_uint64_t region_bytes[GATE_SHM_REGIONS])
{
    apr_uint64_t total = PAGE;

    for (unsigned i = 0; i < GATE_SHM_REGIONS; i++) {
        gate_shm_region *region = &segment->regions[i];
        if (region_bytes[i] < GATE_SHM_REGION_MIN || region_bytes[i] > GATE_SHM_REGION_MAX)
            return false;
        region->bytes = region_bytes[i];
        region->places = stripes_for(region->bytes);
        region->each = region->bytes / region->places & ~(apr_uint64_t)(PAGE - 1);
        region->blocks = gate_stripe_fit((size_t)region->each);
        total += region->each * region->places;
    }
    segment->bytes = (size_t)total;
    return total <= SIZE_MAX / 2;
}

static void place(apr_pool_t *p, gate_segment *segment)
{
    unsigned char *at = segment->base + PAGE;

    segment->bounds = (gate_segment_bound *)(void *)(segment->base + BOUNDS_AT);
    for (unsigned i = 0; i < GATE_SHM_REGIONS; i++) {
        gate_shm_region *region = &segment->regions[i];
        region->stripes = apr_pcalloc(p, region->places * sizeof(gate_stripe));
        for (uint32_t n = 0; n < region->places; n++, at += region->each) {
            gate_stripe *stripe = &region->stripes[n];
            gate_stripe_place(stripe, at, region->blocks);
            stripe->place = n;
            stripe->places = region->places;
            stripe->seed = segment->seed;
        }
    }
}

static gate_segment *blank(apr_pool_t *p)
{
    gate_segment *segment = apr_pcalloc(p, sizeof(*segment));

    segment->fd = -1;
    return segment;
}

static apr_status_t reset_locks(gate_segment *segment)
{
    for (unsigned i = 0; i < GATE_SHM_REGIONS; i++) {
        for (uint32_t n = 0; n < segment->regions[i].places; n++) {
            int rc = gate_stripe_reset_lock(&segment->regions[i].stripes[n]);
            if (rc != 0)
                return rc;
        }
    }
    return APR_SUCCESS;
}

/* Brings zeroed memory into use. Touches one page of each stripe. */
static apr_status_t found(apr_pool_t *p, gate_segment *segment)
{
    header *h = (header *)(void *)segment->base;

    place(p, segment);
    *h = (header){
        .layout = LAYOUT,
        .byte_order = BYTE_ORDER_AS,
        .region_bytes = {segment->regions[0].bytes, segment->regions[1].bytes},
        .bytes = segment->bytes,
        .seed = segment->seed,
        .secret = segment->secret,
    };
    memcpy(h->magic, magic, sizeof(magic));
    h->sum = gate_sum_of(&h->seed, h, offsetof(header, sum));
    return reset_locks(segment);
}

/* A segment of the sizes asked for, planned and seeded, without memory. */
static apr_status_t prepare(apr_pool_t *p, const gate_shm_options *options, gate_segment **segment,
                            const char **problem)
{
    const apr_uint64_t bytes[GATE_SHM_REGIONS] = {options->session_bytes, options->token_bytes};
    gate_segment *fresh = blank(p);

    if (!plan(fresh, bytes)) {
        *problem = apr_psprintf(
            p,
            "regions of %" APR_SIZE_T_FMT " and %" APR_SIZE_T_FMT
            " bytes cannot be made: each takes from 256K to 1T, and both must fit into memory",
            options->session_bytes, options->token_bytes);
        return APR_EINVAL;
    }
    if (!gate_random_bytes(&fresh->seed, sizeof(fresh->seed)) ||
        !gate_random_bytes(&fresh->secret, sizeof(fresh->secret))) {
        *problem = "the source of random bytes gives none";
        return APR_EGENERAL;
    }
    *segment = fresh;
    return APR_SUCCESS;
}

static const char *explain(apr_pool_t *p, const char *what, const char *file, apr_status_t status)
{
    char text[128];

    return apr_psprintf(p, "%s%s%s: %s", what, file ? " " : "", file ? file : "",
                        apr_strerror(status, text, sizeof(text)));
}

static apr_status_t make_anonymous(apr_pool_t *p, gate_segment *segment, const char **problem)
{
    apr_shm_t *shm;
    apr_status_t status = apr_shm_create(&shm, segment->bytes + PAGE, NULL, p);

    if (status == APR_SUCCESS) {
        segment->base = apr_shm_baseaddr_get(shm);
        segment->base += (PAGE - (uintptr_t)segment->base % PAGE) % PAGE;
        gate_vault_hide(segment->base, segment->bytes);
        status = found(p, segment);
    }
    if (status != APR_SUCCESS)
        *problem = explain(p, "cannot make shared memory", NULL, status);
    return status;
}

/* --- the file --- */

static apr_status_t let_go(void *data)
{
    gate_segment *segment = data;

    if (segment->base)
        munmap(segment->base, segment->bytes);
    if (segment->fd >= 0)
        close(segment->fd);
    segment->base = NULL;
    segment->fd = -1;
    return APR_SUCCESS;
}

/* From here on the pool closes the file and takes the mapping away. */
static void hold(apr_pool_t *p, gate_segment *segment, int fd)
{
    segment->fd = fd;
    apr_pool_cleanup_register(p, segment, let_go, apr_pool_cleanup_null);
}

static apr_status_t map(apr_pool_t *p, gate_segment *segment, const char *file,
                        const char **problem)
{
    void *at = mmap(NULL, segment->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, segment->fd, 0);

    if (at == MAP_FAILED) {
        apr_status_t status = errno;
        *problem = explain(p, "cannot map", file, status);
        return status;
    }
    segment->base = at;
    gate_vault_hide(at, segment->bytes);
    return APR_SUCCESS;
}

/* Whether the name still leads to the file that is open. */
static bool is_same(int fd, const char *file)
{
    struct stat ours, named;

    return fstat(fd, &ours) == 0 && lstat(file, &named) == 0 && ours.st_dev == named.st_dev &&
           ours.st_ino == named.st_ino;
}

/* NULL: a plain file of ours that nobody else may open. */
static const char *object_to(apr_pool_t *p, int fd, const char *file)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return explain(p, "cannot ask about", file, errno);
    if (!S_ISREG(st.st_mode))
        return apr_psprintf(p, "%s is no plain file", file);
    if (st.st_uid != geteuid())
        return apr_psprintf(p,
                            "%s belongs to another user (%lu); it must belong to the one who "
                            "starts the server (%lu)",
                            file, (unsigned long)st.st_uid, (unsigned long)geteuid());
    if ((st.st_mode & 07177) != 0)
        return apr_psprintf(p, "%s may be opened by others (mode %04o); it must have mode 0600",
                            file, (unsigned)st.st_mode & 07777);
    return NULL;
}

/* Opens a file that is there, and takes it for us alone. APR_ENOENT: there is none. */
static apr_status_t open_ours(apr_pool_t *p, const char *file, int *result, const char **problem)
{
    int fd = open(file, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    apr_status_t status = errno;

    if (fd < 0) {
        *problem = status == ELOOP ? apr_psprintf(p, "%s is a symbolic link", file)
                                   : explain(p, "cannot open", file, status);
        return status;
    }
    *problem = object_to(p, fd, file);
    status = APR_EACCES;
    if (!*problem && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        status = errno == EWOULDBLOCK ? APR_EBUSY : errno;
        *problem = status == APR_EBUSY
                       ? apr_psprintf(p, "%s is in use by another running server", file)
                       : explain(p, "cannot lock", file, status);
    }
    if (!*problem && !is_same(fd, file)) {
        status = APR_EBUSY;
        *problem = apr_psprintf(p, "%s is being replaced by another server just now", file);
    }
    if (*problem) {
        close(fd);
        return status;
    }
    *result = fd;
    return APR_SUCCESS;
}

/* Whether a header, as it was read from a file of that size, is one of ours and says what can be;
 * then the segment is planned by it. NULL: all is well. */
static const char *read_header(apr_pool_t *p, const header *h, off_t size, const char *file,
                               gate_segment *segment)
{
    if (memcmp(h->magic, magic, sizeof(magic)) != 0)
        return apr_psprintf(p, "%s is not a session store; it is left as it is: name another file",
                            file);
    if (h->layout != LAYOUT || h->byte_order != BYTE_ORDER_AS)
        return apr_psprintf(
            p,
            "%s was written by another version of the module (layout %u, not %u) or on another "
            "kind of machine: remove it, which signs everybody out, or name another file",
            file, (unsigned)h->layout, LAYOUT);
    if (h->sum != gate_sum_of(&h->seed, h, offsetof(header, sum)) ||
        !plan(segment, h->region_bytes) || segment->bytes != h->bytes ||
        (apr_uint64_t)size != h->bytes)
        return apr_psprintf(
            p, "%s is damaged: remove it, which signs everybody out, or name another file", file);
    segment->seed = h->seed;
    segment->secret = h->secret;
    return NULL;
}

/* Reads the header behind an open file. */
static apr_status_t inspect(apr_pool_t *p, gate_segment *segment, const char *file,
                            const char **problem)
{
    header h;
    struct stat st;

    memset(&h, 0, sizeof(h));
    if (fstat(segment->fd, &st) != 0 || pread(segment->fd, &h, sizeof(h), 0) < 0) {
        apr_status_t status = errno;
        *problem = explain(p, "cannot read", file, status);
        return status;
    }
    segment->device = st.st_dev;
    segment->inode = st.st_ino;
    *problem = read_header(p, &h, st.st_size, file, segment);
    return *problem ? APR_EINVAL : APR_SUCCESS;
}

void gate_segment_extend(gate_segment *segment, gate_store_kind kind, int64_t expires)
{
    int64_t *latest = &segment->bounds[kind].latest;
    int64_t before = __atomic_load_n(latest, __ATOMIC_SEQ_CST);

    while (before < expires && !__atomic_compare_exchange_n(latest, &before, expires, false,
                                                            __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
        continue;
}

/* Of a file's pages, that of the bounds may be the older one: the records say it again. */
static void bound_again(gate_segment *segment, const gate_stripe *stripe)
{
    for (unsigned kind = 0; kind < GATE_STORE_KINDS; kind++) {
        if (gate_segment_is_bounded((gate_store_kind)kind))
            gate_segment_extend(segment, (gate_store_kind)kind,
                                gate_stripe_latest(stripe, (gate_store_kind)kind));
    }
}

/* Takes over what the last owner left, however it ended: nobody holds a lock any more, and what is
 * not whole goes. */
static apr_status_t attach(apr_pool_t *p, gate_segment *segment, const char *file,
                           const char **problem)
{
    apr_status_t status = map(p, segment, file, problem);

    if (status != APR_SUCCESS)
        return status;
    place(p, segment);
    status = reset_locks(segment);
    if (status != APR_SUCCESS) {
        *problem = explain(p, "cannot make locks in", file, status);
        return status;
    }
    for (unsigned i = 0; i < GATE_SHM_REGIONS; i++) {
        for (uint32_t n = 0; n < segment->regions[i].places; n++) {
            gate_stripe_mend(&segment->regions[i].stripes[n]);
            bound_again(segment, &segment->regions[i].stripes[n]);
            segment->regions[i].stripes[n].state->version += VERSION_LEAP;
        }
    }
    return APR_SUCCESS;
}

/* Removes what a server left that died while it built a segment: nothing but an empty file or one
 * of ours. */
static apr_status_t clear_beside(apr_pool_t *p, const char *beside, const char **problem)
{
    char start[sizeof(magic)];
    int fd;
    apr_status_t status = open_ours(p, beside, &fd, problem);

    if (status != APR_SUCCESS)
        return APR_STATUS_IS_ENOENT(status) ? APR_SUCCESS : status;
    ssize_t got = pread(fd, start, sizeof(start), 0);
    if (got != 0 && (got != sizeof(start) || memcmp(start, magic, sizeof(magic)) != 0)) {
        *problem = apr_psprintf(
            p, "%s is in the way: it is not a session store, so it is left as it is", beside);
        status = APR_EEXIST;
    } else if (unlink(beside) != 0) {
        status = errno;
        *problem = explain(p, "cannot remove", beside, status);
    }
    close(fd);
    return status;
}

/* A new, empty file with all its room on the disk: a full disk is met here and not in a child's
 * memory access. */
static apr_status_t make_beside(apr_pool_t *p, gate_segment *segment, const char *beside,
                                const char **problem)
{
    int fd = open(beside, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    apr_status_t status = errno;
    struct stat st = {0};

    if (fd < 0) {
        *problem = explain(p, "cannot make", beside, status);
        return status;
    }
    hold(p, segment, fd);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 || !is_same(fd, beside)) {
        *problem = apr_psprintf(p, "%s is being made by another server just now", beside);
        return APR_EBUSY;
    }
    ssize_t put = pwrite(fd, magic, sizeof(magic), 0);
    if (put != sizeof(magic))
        status = put < 0 ? errno : ENOSPC; /* a part of it is no error to the system */
    else if (fchmod(fd, 0600) != 0 || fstat(fd, &st) != 0)
        status = errno;
    else {
        do
            status = posix_fallocate(fd, 0, (off_t)segment->bytes);
        while (status == EINTR);
    }
    if (status != APR_SUCCESS) {
        unlink(beside);
        *problem = explain(p, "no room for the session store in", beside, status);
        return status;
    }
    segment->device = st.st_dev;
    segment->inode = st.st_ino;
    return APR_SUCCESS;
}

/* --- moving house --- */

/* Not one of these is forgotten because a region became smaller; of the others, each can be had
 * again. */
static bool must_come_along(gate_store_kind kind)
{
    return kind == GATE_STORE_SESSION || kind == GATE_STORE_MARK || kind == GATE_STORE_REVOCATION;
}

static gate_store_answer adopt_record(gate_segment *to, gate_store_kind kind,
                                      const gate_stripe_record *head, const void *value,
                                      int64_t now)
{
    gate_shm_region *region = gate_segment_region(to, kind);
    const gate_stripe_wanted wanted = {kind, &head->key,
                                       gate_stripe_hash(&to->seed, kind, &head->key), now};
    const gate_stripe_draft draft = {
        .verb = GATE_STRIPE_ADOPT,
        .value = {value, head->length},
        .value_sum = gate_sum_of(&to->seed, value, head->length),
        .front = head->front,
        .expires = head->expires,
        .idle = head->idle,
        .origin = head,
    };
    gate_stripe *stripe = &region->stripes[gate_stripe_place_of(wanted.hash, region->places)];
    uint64_t version;

    if (gate_segment_is_bounded(kind))
        gate_segment_extend(to, kind, head->expires);
    if (!gate_stripe_lock(stripe))
        return GATE_STORE_UNSURE;
    gate_store_answer answer =
        gate_stripe_write(stripe, region->stripes, &wanted, &draft, &version);
    gate_stripe_unlock(stripe);
    return answer;
}

/* One stripe's records of one kind, newest first. False: one that must come along has no room. */
static bool adopt_kind(gate_segment *to, const gate_segment *from, const gate_stripe *stripe,
                       gate_store_kind kind, unsigned char *value)
{
    gate_stripe_record head;
    uint32_t place = 0;
    int64_t now = stripe->state->heard;

    for (uint32_t n = 0; n < stripe->count && gate_stripe_next(stripe, kind, &place, &head, value);
         n++) {
        if (gate_stripe_is_gone(&head, now) || !gate_stripe_is_whole(&from->seed, &head, value))
            continue;
        if (adopt_record(to, kind, &head, value, now) != GATE_STORE_DONE && must_come_along(kind))
            return false;
    }
    return true;
}

static apr_status_t adopt_stripe(gate_segment *to, const gate_segment *from,
                                 const gate_stripe *stripe, uint64_t *version, unsigned char *value)
{
    bool all = true;

    if (!gate_stripe_lock(stripe))
        return APR_TIMEUP;
    for (unsigned kind = 0; kind < GATE_STORE_KINDS && all; kind++)
        all = adopt_kind(to, from, stripe, (gate_store_kind)kind, value);
    if (stripe->state->version > *version)
        *version = stripe->state->version;
    gate_stripe_unlock(stripe);
    return all ? APR_SUCCESS : APR_ENOSPC;
}

/* Copies all that is alive. Each stripe of `from` stands still for as long as it is copied and no
 * longer. */
static apr_status_t adopt(apr_pool_t *p, gate_segment *to, const gate_segment *from,
                          const char **problem)
{
    unsigned char *value = malloc(GATE_STORE_MAX_VALUE);
    apr_status_t status = value ? APR_SUCCESS : APR_ENOMEM;
    uint64_t version = 0;

    for (unsigned i = 0; i < GATE_SHM_REGIONS && status == APR_SUCCESS; i++) {
        for (uint32_t n = 0; n < from->regions[i].places && status == APR_SUCCESS; n++)
            status = adopt_stripe(to, from, &from->regions[i].stripes[n], &version, value);
    }
    free(value);
    if (status != APR_SUCCESS) {
        *problem =
            status == APR_ENOSPC
                ? "what is alive in the session store does not fit into the new size: keep the "
                  "old size, or a larger one"
                : explain(p, "cannot copy the session store", NULL, status);
        return status;
    }
    for (unsigned i = 0; i < GATE_SHM_REGIONS; i++) {
        for (uint32_t n = 0; n < to->regions[i].places; n++)
            to->regions[i].stripes[n].state->version = version + VERSION_LEAP;
    }
    return APR_SUCCESS;
}

/* Builds the segment beside the file, moves what `from` (may be NULL) has into it, and gives it the
 * file's name. With `only_new` nothing may have come to bear that name meanwhile. */
static apr_status_t build(apr_pool_t *p, gate_segment *segment, const gate_segment *from,
                          const char *file, bool only_new, const char **problem)
{
    const char *beside = apr_pstrcat(p, file, ".new", NULL);
    struct stat st;
    apr_status_t status = clear_beside(p, beside, problem);

    if (status == APR_SUCCESS)
        status = make_beside(p, segment, beside, problem);
    if (status != APR_SUCCESS)
        return status;
    if (from)
        segment->secret = from->secret;
    status = map(p, segment, file, problem);
    if (status == APR_SUCCESS) {
        status = found(p, segment);
        if (status != APR_SUCCESS)
            *problem = explain(p, "cannot make locks in", file, status);
    }
    if (status == APR_SUCCESS && from)
        status = adopt(p, segment, from, problem);
    if (status == APR_SUCCESS && only_new && lstat(file, &st) == 0) {
        status = APR_EBUSY;
        *problem = apr_psprintf(p, "%s has just been made by another server", file);
    }
    if (status == APR_SUCCESS && rename(beside, file) != 0) {
        status = errno;
        *problem = explain(p, "cannot put the new session store in the place of", file, status);
    }
    if (status != APR_SUCCESS)
        unlink(beside);
    return status;
}

static bool has_sizes(const gate_segment *a, const gate_segment *b)
{
    return a->regions[0].bytes == b->regions[0].bytes && a->regions[1].bytes == b->regions[1].bytes;
}

/* `passing` is a pool for what is not wanted afterwards. */
static apr_status_t open_or_build(apr_pool_t *p, apr_pool_t *passing,
                                  const gate_shm_options *options, gate_segment **segment,
                                  const char **problem)
{
    gate_segment *there = blank(p);
    int fd = -1;
    apr_status_t status = open_ours(p, options->file, &fd, problem);

    if (APR_STATUS_IS_ENOENT(status))
        return build(p, *segment, NULL, options->file, true, problem);
    if (status != APR_SUCCESS)
        return status;
    there->fd = fd;
    status = inspect(p, there, options->file, problem);
    bool stays = status == APR_SUCCESS && has_sizes(there, *segment);
    hold(stays ? p : passing, there, fd);
    if (status == APR_SUCCESS)
        status = attach(p, there, options->file, problem);
    if (status == APR_SUCCESS && !stays)
        return build(p, *segment, there, options->file, false, problem);
    *segment = there;
    return status;
}

/* Another store may bear the name that the new one is to have, if nobody uses it: it is locked
 * until it has been replaced. */
static apr_status_t replace(apr_pool_t *p, apr_pool_t *passing, const gate_segment *old,
                            const gate_shm_options *options, gate_segment *segment,
                            const char **problem)
{
    gate_segment *other = blank(passing);
    struct stat st;
    int fd = -1;

    if (old->fd >= 0 && lstat(options->file, &st) == 0 && st.st_dev == old->device &&
        st.st_ino == old->inode)
        return build(p, segment, old, options->file, false, problem);
    apr_status_t status = open_ours(p, options->file, &fd, problem);
    if (APR_STATUS_IS_ENOENT(status))
        return build(p, segment, old, options->file, true, problem);
    if (status != APR_SUCCESS)
        return status;
    hold(passing, other, fd);
    status = inspect(p, other, options->file, problem);
    if (status != APR_SUCCESS)
        return status;
    return build(p, segment, old, options->file, false, problem);
}

/* All of it lives in `home`, which the caller destroys if it comes to nothing. */
static apr_status_t settle(apr_pool_t *home, apr_pool_t *passing, const gate_segment *old,
                           const gate_shm_options *options, gate_segment **segment,
                           const char **problem)
{
    apr_status_t status = prepare(home, options, segment, problem);

    if (status != APR_SUCCESS)
        return status;
    if (options->file && old)
        return replace(home, passing, old, options, *segment, problem);
    if (options->file)
        return open_or_build(home, passing, options, segment, problem);
    if (old)
        (*segment)->secret = old->secret;
    status = make_anonymous(home, *segment, problem);
    return status == APR_SUCCESS && old ? adopt(home, *segment, old, problem) : status;
}

apr_status_t gate_segment_make(apr_pool_t *p, const gate_segment *old,
                               const gate_shm_options *options, gate_segment **segment,
                               const char **problem)
{
    apr_pool_t *home, *passing;
    apr_status_t status = apr_pool_create(&home, p);

    *problem = "out of memory";
    if (status != APR_SUCCESS)
        return status;
    status = apr_pool_create(&passing, p);
    if (status == APR_SUCCESS) {
        status = settle(home, passing, old, options, segment, problem);
        apr_pool_destroy(passing);
    }
    *problem = status == APR_SUCCESS ? NULL : apr_pstrdup(p, *problem);
    if (status != APR_SUCCESS)
        apr_pool_destroy(home);
    return status;
}
