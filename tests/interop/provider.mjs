// SPDX-License-Identifier: Apache-2.0
// Copyright The mod_oidc_gate authors
//
// node provider.mjs '{"port": 8180, "redirectUris": ["http://127.0.0.1:8080/oidc-gate/callback"]}'
//
// A real OpenID provider for the demo and the interop test: alice (in kong_group) and bob (not), any password; the client
// c-web (secret s3cret-web) signs people in, c-api (secret s3cret) comes by client credentials and introspects, c-app (the same
// secret) gets opaque tokens: this provider introspects no others. What can be
// said in the JSON: port, issuer, redirectUris, postLogoutRedirectUris, backchannelLogoutUri, ttl (seconds by token kind).
// Access tokens are opaque, and JWTs for whoever asks for the resource api://default; c-api always gets those.
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';

import { Provider } from 'oidc-provider';

const asked = JSON.parse(process.argv[2] ?? process.env.PROVIDER ?? '{}');
const port = asked.port ?? 8180;
const issuer = asked.issuer ?? `http://127.0.0.1:${port}`;
const resource = 'api://default';

// Applications that were switched off (POST /demo/deactivate, /demo/activate): their tokens are no longer active.
const deactivated = new Set();

const people = {
  alice: { name: 'Alice', email: 'alice@example.org', groups: ['staff', 'ops'], kong_claim: ['kong_group'] },
  bob: { name: 'Bob', email: 'bob@example.org', groups: ['guests'], kong_claim: ['other'] },
};

function account(id) {
  const person = people[id];
  return person && {
    accountId: id,
    claims: () => ({ sub: id, preferred_username: id, email_verified: true, ...person }),
  };
}

// Whoever may sign in may use what is asked for: there is no page that asks for consent.
async function grantAll(ctx) {
  const { client, params, session, provider } = ctx.oidc;
  const grantId = session.grantIdFor(client.clientId);
  const grant = (grantId && await provider.Grant.find(grantId))
    ?? new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
  grant.addOIDCScope(params.scope ?? 'openid');
  grant.addResourceScope(resource, 'api.read api.write');
  await grant.save();
  return grant;
}

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: 'c-web', client_secret: 's3cret-web', grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'], redirect_uris: asked.redirectUris ?? ['http://127.0.0.1:8080/oidc-gate/callback'],
      post_logout_redirect_uris: asked.postLogoutRedirectUris ?? [],
      ...(asked.backchannelLogoutUri && {
        backchannel_logout_uri: asked.backchannelLogoutUri, backchannel_logout_session_required: true,
      }),
    },
    {
      client_id: 'c-api', client_secret: 's3cret', grant_types: ['client_credentials'],
      response_types: [], redirect_uris: [],
    },
    {
      client_id: 'c-app', client_secret: 's3cret', grant_types: ['client_credentials'],
      response_types: [], redirect_uris: [],
    },
  ],
  jwks: { keys: [signingKey()] },
  cookies: { keys: ['tests only'] },
  scopes: ['openid', 'offline_access', 'profile', 'email', 'api.read', 'api.write'],
  claims: {
    openid: ['sub', 'groups', 'kong_claim'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'],
  },
  conformIdTokenClaims: false,
  findAccount: (ctx, id) => account(id),
  loadExistingGrant: grantAll,
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
  rotateRefreshToken: true,
  extraTokenClaims: (ctx, token) => {
    const person = token.accountId && people[token.accountId];
    return person && { groups: person.groups, kong_claim: person.kong_claim };
  },
  // It would not talk to a loopback address, where all of this stands.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  ttl: { AccessToken: 300, ClientCredentials: 300, IdToken: 300, RefreshToken: 3600, Session: 3600,
    Grant: 3600, Interaction: 600, ...asked.ttl },
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: (ctx, client, token) => !deactivated.has(token.clientId) },
    revocation: { enabled: true },
    clientCredentials: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    backchannelLogout: { enabled: true },
    userinfo: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (ctx, client) => (client?.clientId === 'c-api' ? resource : undefined),
      useGrantedResource: () => true,
      getResourceServerInfo: () => ({
        scope: 'api.read api.write', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } },
      }),
    },
  },
});

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: 'demo', use: 'sig', alg: 'RS256' };
}

async function body(request) {
  let text = '';
  for await (const piece of request) {
    text += piece;
    if (text.length > 10_000) throw new Error('too much');
  }
  return new URLSearchParams(text);
}

function page(response, status, html) {
  response.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  response.end(`<!doctype html><title>Sign in</title>${html}`);
}

const form = `<h1>Sign in</h1><p>alice is in kong_group, bob is not; any password will do.</p>
<form method="post"><input name="login" autofocus placeholder="alice or bob">
<input name="password" type="password"><button>Sign in</button></form>`;

async function interaction(request, response) {
  await provider.interactionDetails(request, response);
  if (request.method !== 'POST') return page(response, 200, form);
  const login = (await body(request)).get('login') ?? '';
  if (!Object.hasOwn(people, login)) return page(response, 200, `<p>Who is that?</p>${form}`);
  return provider.interactionFinished(request, response, { login: { accountId: login } },
    { mergeWithLastSubmission: false });
}

async function switchClient(request, response) {
  const client = (await body(request)).get('client') ?? 'c-app';
  if (request.url === '/demo/deactivate') deactivated.add(client);
  else deactivated.delete(client);
  response.end(`${client} is ${deactivated.has(client) ? 'deactivated' : 'active'}\n`);
}

const answer = provider.callback();
const server = createServer((request, response) => {
  if (request.method === 'POST' && /^\/demo\/(de)?activate$/.test(request.url)) return switchClient(request, response);
  if (!request.url.startsWith('/interaction/')) return answer(request, response);
  return interaction(request, response).catch((error) => page(response, 400, `<p>${error.name}</p>`));
});
server.listen(port, '127.0.0.1', () => console.log(`ready ${issuer}`));
process.on('SIGTERM', () => { server.closeAllConnections(); server.close(() => process.exit(0)); });
