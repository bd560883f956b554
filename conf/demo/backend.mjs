// SPDX-License-Identifier: Apache-2.0
// Copyright The mod_oidc_gate authors
//
// node backend.mjs PORT: the application behind the gate; it shows what it was told.
import { createServer } from 'node:http';

const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

const page = (request, rows) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>Behind the gate</title>
<style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;overflow-wrap:anywhere}</style>
<h1>The application behind the gate</h1><p>${escape(request.method)} ${escape(request.url)} arrived with these headers:</p>
<table><tr><th>Header<th>Value${rows.map(([n, v]) => `<tr><td>${escape(n)}<td>${escape(v)}`).join('')}</table>
<form method="post" action="/oidc-gate/logout"><button>Sign out</button></form></html>`;

const server = createServer((request, response) => {
  const rows = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) rows.push([request.rawHeaders[i], request.rawHeaders[i + 1]]);
  const html = (request.headers.accept ?? '').includes('text/html');
  response.setHeader('Content-Type', html ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8');
  response.end(html ? page(request, rows)
    : `${request.method} ${request.url}\n${rows.map((row) => row.join(': ')).join('\n')}\n`);
});
server.listen(Number(process.argv[2]), '127.0.0.1');
process.on('SIGTERM', () => { server.closeAllConnections(); server.close(() => process.exit(0)); });
