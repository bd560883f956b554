// SPDX-License-Identifier: Apache-2.0
// Copyright The mod_oidc_gate authors
//
// What wrk cannot ask: each request with a token of its own, or whole logins. As JSON on its last line: requests, seconds, p50 and p99 in
// microseconds, and how many answers were not 200.
//   node load.mjs tokens PORT PATH CONNECTIONS FILE       each line of FILE once, as a bearer token
//   node load.mjs logins PORT PATH CONNECTIONS COUNT      people who sign in, each a new one
//   node load.mjs visits PORT PATH CONNECTIONS COUNT OP   the same requests where nobody need sign in; OP: the provider's port
import { Agent, request } from 'node:http';
import { readFileSync } from 'node:fs';

const [what, port, path, connections, last, op] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true, maxSockets: Number(connections) });
const times = [];
let bad = 0;

const ask = (url, headers) => new Promise((resolve, reject) => {
  const asked = request(url, { agent, headers }, (response) => {
    response.resume();
    response.on('end', () => resolve(response));
  });
  asked.on('error', reject);
  asked.end();
});

async function useToken(token) {
  const { statusCode } = await ask(`http://127.0.0.1:${port}${path}`, { Authorization: `Bearer ${token}` });
  return statusCode;
}

// Three requests at the server, one at the provider.
async function signIn() {
  let url = `http://127.0.0.1:${port}${path}`;
  const cookies = new Map();
  for (let step = 0; step < 6; step++) {
    const ours = new URL(url).port === port;
    const headers = { Accept: 'text/html' };
    if (ours && cookies.size) headers.Cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
    const response = await ask(url, headers);
    for (const line of ours ? response.headers['set-cookie'] ?? [] : []) {
      const [name, value] = line.split(';')[0].split(/=(.*)/s);
      if (/Max-Age=0|1970/.test(line) || !value) cookies.delete(name); else cookies.set(name, value);
    }
    if (!response.headers.location) return response.statusCode;
    url = new URL(response.headers.location, url).href;
  }
  return 0;
}

// As many requests in the same order: what a login costs is what it costs beside these.
async function visit() {
  const page = `http://127.0.0.1:${port}${path}`;
  const statuses = [];
  for (const url of [page, `http://127.0.0.1:${op}/authorize?redirect_uri=${page}&state=s&nonce=n`, page, page])
    statuses.push((await ask(url, { Accept: 'text/html' })).statusCode);
  return statuses.join() === '200,302,200,200' ? 200 : 0;
}

const job = { tokens: useToken, logins: signIn, visits: visit }[what];
const jobs = what === 'tokens' ? readFileSync(last, 'utf8').split('\n').filter(Boolean) : Array.from({ length: Number(last) });
const begun = process.hrtime.bigint();
let next = 0;
await Promise.all(Array.from({ length: Number(connections) }, async () => {
  while (next < jobs.length) {
    const at = next++;
    const from = process.hrtime.bigint();
    const status = await job(jobs[at]);
    times.push(Number(process.hrtime.bigint() - from) / 1000);
    if (status !== 200) bad++;
  }
}));
const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
times.sort((a, b) => a - b);
const quantile = (q) => Math.round(times[Math.min(times.length - 1, Math.floor(times.length * q))]);
console.log(JSON.stringify({ requests: times.length, seconds, p50: quantile(0.5), p99: quantile(0.99), bad }));
process.exit(0);
