// A Redis server of the test's own: Debian's redis-server on a free port of this machine, with its data in a temporary folder.
// SPDX-License-Identifier: Apache-2.0
import {type ChildProcess, execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, rm} from 'node:fs/promises';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {Redis} from 'ioredis';

/** Why the tests that need a server are left out; undefined where one is installed. */
export const MISSING = findServer() === undefined ? 'no redis-server or valkey-server is installed' : undefined;
if (MISSING)
  process.stderr.write(`Sweeps over Redis are not tested here: ${MISSING} (apt-get install redis-server).\n`);

function findServer(): string | undefined {
  return ['redis-server', 'valkey-server'].find(command => {
    try {
      execFileSync(command, ['--version'], {stdio: 'ignore'});
      return true;
    } catch {
      return false;
    }
  });
}

/** A running server. */
export interface TestServer {
  url: string;
  /** Ends it by SIGKILL. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data. */
  restart(): Promise<void>;
  /** Ends it and removes its data. */
  stop(): Promise<void>;
}

/** Starts a server. @param words Further words of its command line, such as `--appendonly yes`. */
export async function startServer(...words: string[]): Promise<TestServer> {
  const folder = await mkdtemp(join(tmpdir(), 'redis-'));
  const port = await freePort();
  let server: ChildProcess;
  const start = async () => {
    const common = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--logfile', 'log'];
    server = spawn(findServer()!, [...common, ...words], {stdio: 'ignore'});
    await answers(port, words);
  };
  const kill = async () => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    const exit = once(server, 'exit');
    server.kill('SIGKILL');
    await exit;
  };
  await start();
  return {
    url: `redis://127.0.0.1:${port}`,
    kill,
    restart: start,
    async stop() {
      await kill();
      await rm(folder, {recursive: true, force: true});
    },
  };
}

async function answers(port: number, words: readonly string[]): Promise<void> {
  const password = words[words.indexOf('--requirepass') + 1];
  const auth = words.includes('--requirepass') ? {password: password!} : {};
  const client = new Redis(port, '127.0.0.1', {...auth, retryStrategy: () => 50, maxRetriesPerRequest: null});
  client.on('error', () => {}); // until it listens
  await client.ping();
  client.disconnect();
}

/** A port on which nothing listens. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const {port} = server.address() as {port: number};
  server.close();
  await once(server, 'close');
  return port;
}
