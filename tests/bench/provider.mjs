// SPDX-License-Identifier: Apache-2.0
// Copyright The mod_oidc_gate authors
//
// A provider that is never the bottleneck: it believes everybody, and what can be made before is. Loopback only.
//   node provider.mjs KEYS PORT TLS_PORT      KEYS: tests/lib/keys
// Beside the usual endpoints: /mint?alg=RS256&count=N&groups=N answers access tokens, one a line; /calls how often each endpoint was asked,
// and begins to count anew. A user is pN: one with N groups.
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createHash, createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';

const [keys, port, tlsPort] = process.argv.slice(2);
const read = (name) => readFileSync(`${keys}/${name}`);
const signers = { RS256: ['rsa1', 'sha256'], ES256: ['ec256', 'sha256'], EdDSA: ['ed25519', null] };
for (const [alg, signer] of Object.entries(signers)) {
  const key = createPrivateKey(read(`${signer[0]}.pem`));
  signers[alg] = { key, digest: signer[1], jwk: { ...createPublicKey(key).export({ format: 'jwk' }), kid: signer[0], use: 'sig', alg } };
}
const jwks = JSON.stringify({ keys: Object.values(signers).map(({ jwk }) => jwk) });
const encode = (value) => Buffer.from(value).toString('base64url');
const now = () => Math.floor(Date.now() / 1000);

function jwt(alg, claims, header = {}) {
  const { key, digest, jwk } = signers[alg];
  const text = `${encode(JSON.stringify({ alg, kid: jwk.kid, ...header }))}.${encode(JSON.stringify(claims))}`;
  return `${text}.${sign(digest, Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

// Twelve claims, one of them a list.
const person = (name) => ({
  sub: `248289761001-${name}`, preferred_username: name, name: 'Alice Liddell', given_name: 'Alice', family_name: 'Liddell',
  email: 'alice.liddell@example.org', email_verified: true, locale: 'en-GB', zoneinfo: 'Europe/London', phone_number: '+44 20 7946 0958',
  department: 'research', groups: Array.from({ length: Number(name.slice(1)) || 20 }, (_, i) => `team-${String(i + 1).padStart(3, '0')}`),
});
let serial = 0;
const access = (issuer, more) => ({ iss: issuer, aud: 'api://default', client_id: 'c-web', jti: `t${++serial}`, iat: now(), exp: now() + 3600, ...more });
let calls = {};

function discovery(base) {
  const endpoint = (name) => `${base}/${name}`;
  return JSON.stringify({
    issuer: base, authorization_endpoint: endpoint('authorize'), token_endpoint: endpoint('token'), jwks_uri: endpoint('jwks'),
    introspection_endpoint: endpoint('introspect'), response_types_supported: ['code'],
    subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['RS256'],
    token_endpoint_auth_methods_supported: ['client_secret_basic'], introspection_endpoint_auth_methods_supported: ['client_secret_basic'],
    code_challenge_methods_supported: ['S256'], grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
  });
}

function token(base, form) {
  if (form.get('grant_type') === 'client_credentials')
    return { access_token: jwt('RS256', access(base, { sub: 'c-web' }), { typ: 'at+jwt' }), token_type: 'Bearer', expires_in: 3600 };
  const { nonce, user } = JSON.parse(Buffer.from(form.get('code'), 'base64url'));
  const opaque = createHash('sha256').update(`${nonce}${++serial}`).digest('base64url');
  const someone = person(user);
  const bearer = jwt('RS256', access(base, { sub: someone.sub }), { typ: 'at+jwt' });
  // As many providers do; OIDC Core section 3.1.3.6 leaves it open.
  const hash = createHash('sha256').update(bearer).digest().subarray(0, 16).toString('base64url');
  const claims = { iss: base, aud: 'c-web', nonce, iat: now(), exp: now() + 3600, sid: `s${serial}`, at_hash: hash, ...someone };
  return { id_token: jwt('RS256', claims), access_token: bearer, refresh_token: opaque, token_type: 'Bearer', expires_in: 3600 };
}

function answer(base, path, query, form) {
  switch (path) {
    case '/.well-known/openid-configuration': return discovery(base);
    case '/jwks': return jwks;
    case '/token': return JSON.stringify(token(base, form));
    case '/introspect': return JSON.stringify({ active: true, ...access(base, person('p20')), jti: form.get('token') });
    case '/mint': return Array.from({ length: Number(query.get('count')) },
      () => jwt(query.get('alg'), access(base, person(`p${query.get('groups') ?? 20}`)), { typ: 'at+jwt' })).join('\n');
    case '/calls': { const said = JSON.stringify(calls); calls = {}; return said; }
    default: return undefined;
  }
}

const handler = (base) => (request, response) => {
  const url = new URL(request.url, base);
  let body = '';
  request.on('data', (piece) => { body += piece; });
  request.on('end', () => {
    if (url.pathname !== '/calls') calls[url.pathname] = (calls[url.pathname] ?? 0) + 1;
    if (url.pathname === '/authorize') {
      const to = new URL(url.searchParams.get('redirect_uri'));
      to.searchParams.set('code', encode(JSON.stringify({ nonce: url.searchParams.get('nonce'), user: url.searchParams.get('login_hint') ?? 'p20' })));
      to.searchParams.set('state', url.searchParams.get('state'));
      response.writeHead(302, { Location: to.href, 'Content-Length': 0 });
      return response.end();
    }
    const text = answer(base, url.pathname, url.searchParams, new URLSearchParams(body));
    response.writeHead(text === undefined ? 404 : 200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text ?? '') });
    return response.end(text ?? '');
  });
};
const servers = [
  createServer(handler(`http://127.0.0.1:${port}`)).listen(port, '127.0.0.1'),
  createTlsServer({ key: read('localhost.key'), cert: read('localhost.crt') }, handler(`https://127.0.0.1:${tlsPort}`)).listen(tlsPort, '127.0.0.1'),
];
for (const server of servers) { server.keepAliveTimeout = 600_000; server.requestTimeout = 0; }
console.log('ready');
process.on('SIGTERM', () => process.exit(0));
