/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors
 *
 * ThreadSanitizer does not see by which atomic operations httpd and libapr hand a pool's memory
 * from one thread to another. Loaded between it and libapr, this says so: what is taken from a pool
 * comes after all that was given back.
 */
#include <dlfcn.h>

#include <apr_pools.h>

/* Of the sanitizer's runtime, which is loaded first. */
void __tsan_acquire(void *at);
void __tsan_release(void *at);

static char given_back;

APR_DECLARE(void *) apr_palloc(apr_pool_t *p, apr_size_t len)
{
    static void *(*real)(apr_pool_t *, apr_size_t);

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "apr_palloc");
    __tsan_acquire(&given_back);
    return real(p, len);
}

static void end(const char *name, void (**real)(apr_pool_t *), apr_pool_t *p)
{
    if (!*real)
        *(void **)real = dlsym(RTLD_NEXT, name);
    __tsan_release(&given_back);
    (*real)(p);
    __tsan_release(&given_back);
}

APR_DECLARE(void) apr_pool_clear(apr_pool_t *p)
{
    static void (*real)(apr_pool_t *);

    end("apr_pool_clear", &real, p);
}

APR_DECLARE(void) apr_pool_destroy(apr_pool_t *p)
{
    static void (*real)(apr_pool_t *);

    end("apr_pool_destroy", &real, p);
}
