/* SPDX-License-Identifier: Apache-2.0
 * Copyright The mod_oidc_gate authors */
/* cert.h - certificates made on the spot, good ones and bad ones */
#ifndef CERT_H
#define CERT_H

#include <stdio.h>
#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

typedef struct cert {
    X509 *x509;
    EVP_PKEY *key;
} cert;

typedef struct cert_wish {
    const char *name;  /* CN */
    const char *names; /* subjectAltName, as in openssl.cnf; NULL: none */
    const cert *by;    /* who signs; NULL: itself */
    int is_authority;
    long from, until; /* seconds from now */
} cert_wish;

static void cert_must(int good)
{
    if (good)
        return;
    printf("Bail out! no certificate\n");
    exit(1);
}

static void cert_extend(X509 *x509, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    cert_must(extension && X509_add_ext(x509, extension, -1));
    X509_EXTENSION_free(extension);
}

static cert cert_make(const cert_wish *wish)
{
    static long serial = 1;
    cert made = {X509_new(), EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")};
    cert_must(made.x509 && made.key);
    X509_NAME *name = X509_get_subject_name(made.x509);
    cert_must(
        X509_set_version(made.x509, X509_VERSION_3) &&
        ASN1_INTEGER_set(X509_get_serialNumber(made.x509), serial++) &&
        X509_gmtime_adj(X509_getm_notBefore(made.x509), wish->from) &&
        X509_gmtime_adj(X509_getm_notAfter(made.x509), wish->until) &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)wish->name, -1,
                                   -1, 0) &&
        X509_set_issuer_name(made.x509, wish->by ? X509_get_subject_name(wish->by->x509) : name) &&
        X509_set_pubkey(made.x509, made.key));
    if (wish->is_authority)
        cert_extend(made.x509, NID_basic_constraints, "critical,CA:TRUE");
    if (wish->names)
        cert_extend(made.x509, NID_subject_alt_name, wish->names);
    cert_must(X509_sign(made.x509, wish->by ? wish->by->key : made.key, EVP_sha256()) > 0);
    return made;
}

static void cert_free(cert *made)
{
    X509_free(made->x509);
    EVP_PKEY_free(made->key);
}

/* The certificate, and behind it the key where with_key says so, as PEM. */
static void cert_write(const cert *made, const char *path, int with_key)
{
    FILE *file = fopen(path, "w");
    cert_must(file && PEM_write_X509(file, made->x509) &&
              (!with_key || PEM_write_PrivateKey(file, made->key, NULL, NULL, 0, NULL, NULL)));
    fclose(file);
}

#endif
