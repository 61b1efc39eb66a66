// Serves a folder's files on loopback, as any static host would.
// SPDX-License-Identifier: Apache-2.0
import {readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import type {AddressInfo} from 'node:net';
import {extname, join, normalize, sep} from 'node:path';

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
  '.json': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
};

/**
 * Starts on a free port.
 *
 * @param prefix The path at which the folder stands, such as '/some/path/'; nothing else is found.
 * @returns The address of the folder, and what stops the server.
 */
export async function serveFolder(folder: string, prefix = '/'): Promise<{url: string; stop: () => Promise<void>}> {
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
    const file = normalize(join(folder, path.slice(prefix.length) || 'index.html'));
    try {
      if (!path.startsWith(prefix) || !file.startsWith(folder + sep)) throw new Error('outside the folder');
      const body = await readFile(file);
      response.writeHead(200, {'content-type': TYPES[extname(file)] ?? 'application/octet-stream'}).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const {port} = server.address() as AddressInfo;
  const stop = () =>
    new Promise<void>(resolve => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {url: `http://127.0.0.1:${port}${prefix}`, stop};
}
