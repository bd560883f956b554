/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* replay.c - a main for a fuzz target where there is no libFuzzer: hands it every file of the
 * folders and files that are named, or of the target's own corpus */
#define FUZZ_REPLAY
#include "fuzz.h"

#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_strings.h>

#ifndef REPLAY_NAME
#define REPLAY_NAME "target"
#endif

/* Each input stands in memory of its own size, so that a sanitizer sees a byte read too many. */
static int replay_file(apr_pool_t *p, const char *path)
{
    apr_file_t *file;
    apr_finfo_t info;
    apr_size_t size = 0;
    if (apr_file_open(&file, path, APR_READ | APR_BINARY, 0, p) != APR_SUCCESS ||
        apr_file_info_get(&info, APR_FINFO_SIZE, file) != APR_SUCCESS)
        return 0;
    uint8_t *bytes = malloc(info.size ? (size_t)info.size : 1);
    if (bytes)
        (void)apr_file_read_full(file, bytes, (apr_size_t)info.size, &size);
    int good = bytes && size == (apr_size_t)info.size;
    apr_file_close(file);
    if (good)
        LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    return good;
}

static int replay_folder(apr_pool_t *p, apr_dir_t *folder, const char *path)
{
    int count = 0;
    apr_finfo_t info;
    while (apr_dir_read(&info, APR_FINFO_NAME, folder) == APR_SUCCESS)
        if (info.name[0] != '.')
            count += replay_file(p, apr_pstrcat(p, path, "/", info.name, NULL));
    apr_dir_close(folder);
    return count;
}

static int replay(apr_pool_t *p, const char *path)
{
    apr_dir_t *folder;
    if (apr_dir_open(&folder, path, p) == APR_SUCCESS)
        return replay_folder(p, folder, path);
    return replay_file(p, path);
}

int main(int argc, char **argv)
{
    static const char *const own[] = {"tests/fuzz/corpus/" REPLAY_NAME};
    const char *const *paths = argc > 1 ? (const char *const *)argv + 1 : own;
    int count = 0, path_count = argc > 1 ? argc - 1 : 1;
    apr_pool_t *p;
    if (LLVMFuzzerInitialize(&argc, &argv) != 0 || apr_pool_create(&p, NULL) != APR_SUCCESS)
        return 1;
    for (int i = 0; i < path_count; i++)
        count += replay(p, paths[i]);
    apr_pool_destroy(p);
    printf("%sok 1 - " REPLAY_NAME ": %d inputs replayed\n1..1\n", count ? "" : "not ", count);
    return count == 0;
}
