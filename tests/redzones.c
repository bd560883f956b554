/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors
 *
 * AddressSanitizer watches malloc, and nearly nothing of ours comes from there. Loaded between it
 * and libapr, this gives every piece of a pool an end: the bytes behind it must not be touched.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <string.h>

#include <apr_allocator.h>
#include <apr_pools.h>
#include <apr_strings.h>

/* Of the sanitizer's runtime, which is loaded first. */
void __asan_poison_memory_region(const volatile void *at, size_t len);
void __asan_unpoison_memory_region(const volatile void *at, size_t len);

enum { ZONE = 32 };

APR_DECLARE(void *) apr_palloc(apr_pool_t *p, apr_size_t len)
{
    static void *(*real)(apr_pool_t *, apr_size_t);
    char *at;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "apr_palloc");
    at = real(p, len + ZONE);
    if (at) {
        __asan_unpoison_memory_region(at, len); /* somebody may have had it before */
        __asan_poison_memory_region(at + len, ZONE);
    }
    return at;
}

#undef apr_pcalloc
APR_DECLARE(void *) apr_pcalloc(apr_pool_t *p, apr_size_t len);

APR_DECLARE(void *) apr_pcalloc(apr_pool_t *p, apr_size_t len)
{
    void *at = apr_palloc(p, len);

    return at ? memset(at, 0, len) : NULL;
}

/* libapr formats where a pool is free, without asking apr_palloc. */
APR_DECLARE_NONSTD(char *) apr_pvsprintf(apr_pool_t *p, const char *format, va_list arguments)
{
    for (apr_size_t size = 128;; size *= 4) {
        char *text = apr_palloc(p, size);
        va_list copy;
        int len;

        va_copy(copy, arguments);
        len = apr_vsnprintf(text, size, format, copy);
        va_end(copy);
        if ((apr_size_t)len + 1 < size)
            return apr_pstrmemdup(p, text, (apr_size_t)len);
    }
}

APR_DECLARE_NONSTD(char *) apr_psprintf(apr_pool_t *p, const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    text = apr_pvsprintf(p, format, arguments);
    va_end(arguments);
    return text;
}

/* Buckets take whole blocks, which may have been a pool's. */
APR_DECLARE(apr_memnode_t *) apr_allocator_alloc(apr_allocator_t *allocator, apr_size_t len)
{
    static apr_memnode_t *(*real)(apr_allocator_t *, apr_size_t);
    apr_memnode_t *node;

    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "apr_allocator_alloc");
    node = real(allocator, len);
    if (node)
        __asan_unpoison_memory_region(node->first_avail, (size_t)(node->endp - node->first_avail));
    return node;
}
