// --redis: what is refused, how soon, and in which words; a password is in none of them.
// SPDX-License-Identifier: Apache-2.0
import {execFile, execFileSync, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, rm} from 'node:fs/promises';
import {type AddressInfo, createServer, type Server, type Socket} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {promisify} from 'node:util';
import {afterEach, describe, expect, it, vi} from 'vitest';
import {openLedger} from '../../examples/sweep/ledger.js';
import {createLease} from '../../examples/sweep/redis/lease.js';
import {jobToAdd, openQueue, readJobData} from '../../examples/sweep/redis/queue.js';
import {connect, readUrl} from '../../examples/sweep/redis/server.js';
import {checkSpec} from '../../examples/sweep/spec.js';
import {listSettings} from '../../examples/sweep/trials.js';
import {programFile} from '../support/programs.js';
import {freePort, MISSING, startServer, type TestServer} from './redis-server.js';

const WHY_NO_CERTIFICATE =
  spawnSync('openssl', ['version']).status === 0 ? '' : ' (skipped: needs openssl to make a certificate)';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});
async function serve(...words: string[]): Promise<TestServer> {
  const server = await startServer(...words);
  ends.push(server.stop);
  return server;
}
/** A server that is none of Redis. */
async function listen(answer: (socket: Socket) => void): Promise<string> {
  const sockets: Socket[] = [];
  const server: Server = createServer(socket => {
    sockets.push(socket);
    answer(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `redis://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
async function refusal(url: string): Promise<string> {
  const since = performance.now();
  const error = await connect(url, () => {}).then(
    server => server.close(),
    (reason: Error) => reason,
  );
  expect(performance.now() - since).toBeLessThan(5500);
  expect(error).toMatchObject({name: 'ValueError', message: expect.stringMatching(/^sweep: --redis/)});
  return (error as Error).message;
}
const open = async (url: string) => {
  const server = await connect(url, () => {});
  ends.push(async () => server.close());
  return server;
};

describe('--redis', () => {
  it('takes host, port, user, password, database and TLS from the URL, and shows neither user nor password', () => {
    expect(readUrl('redis://example.org')).toEqual({
      name: 'redis://example.org:6379',
      options: {host: 'example.org', port: 6379, db: 0},
    });
    expect(readUrl('rediss://me:a%40b@[::1]:7000/2')).toEqual({
      name: 'rediss://[::1]:7000/2',
      options: {host: '::1', port: 7000, db: 2, username: 'me', password: 'a@b', tls: {}},
    });
  });

  it.each(['localhost:6379', 'http://me:secret@localhost', 'redis:', 'redis://host/one', 'me:se@secret@host', ''])(
    'refuses the URL %j in words that hide a password',
    async url => {
      const message = await refusal(url);
      expect(message).toMatch(
        /^sweep: --redis must be redis:\/\/host:port, or rediss:\/\/host:port with TLS, but got "/,
      );
      expect(message).not.toContain('secret');
    },
  );

  it('says so where nothing listens, and where the host is not known', async () => {
    const port = await freePort();
    expect(await refusal(`redis://:secret@127.0.0.1:${port}`)).toBe(
      `sweep: --redis: no server listens at redis://127.0.0.1:${port}.`,
    );
    expect(await refusal('redis://nowhere.invalid')).toBe(
      'sweep: --redis: the host of redis://nowhere.invalid:6379 is not known.',
    );
  });

  it('says so where another kind of server answers, or one that is silent', async () => {
    const web = await listen(socket => socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
    expect(await refusal(web)).toBe(`sweep: --redis: what listens at ${web} is not a Redis or Valkey server.`);
    const rude = await listen(socket => socket.end());
    expect(await refusal(rude)).toBe(`sweep: --redis: what listens at ${rude} is not a Redis or Valkey server.`);
    const silent = await listen(() => {});
    expect(await refusal(silent)).toBe(`sweep: --redis: ${silent} does not answer within 4 seconds.`);
  });

  it.skipIf(MISSING)('says so where the password is wrong or missing, and takes the right one', async () => {
    const {url} = await serve('--requirepass', 'right');
    const withPassword = (password: string) => url.replace('//', `//:${password}@`);
    expect(await refusal(withPassword('secret'))).toBe(`sweep: --redis: ${url} refuses the user or the password.`);
    expect(await refusal(url)).toBe(`sweep: --redis: ${url} wants a password: redis://:password@host:port.`);
    const server = await open(withPassword('right'));
    expect(server.name).toBe(url);
  });

  it.skipIf(MISSING || WHY_NO_CERTIFICATE)(
    `speaks TLS with a server whose certificate it trusts, and says so where it does not${WHY_NO_CERTIFICATE}`,
    async () => {
      const folder = await mkdtemp(join(tmpdir(), 'tfjs-moe-tls-'));
      ends.push(() => rm(folder, {recursive: true}));
      const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
      const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
      const files = ['-keyout', key, '-out', certificate];
      execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...subject, ...files], {
        stdio: 'ignore',
      });
      const port = await freePort();
      const ofServer = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-ca-cert-file', certificate];
      await serve('--tls-port', String(port), ...ofServer, '--tls-auth-clients', 'no');
      for (const host of ['localhost', '127.0.0.1']) {
        const url = `rediss://${host}:${port}`;
        expect(await refusal(url)).toBe(
          `sweep: --redis: the certificate of ${url} is not trusted; NODE_EXTRA_CA_CERTS may name the file of the authority behind it.`,
        );
        const words = [programFile('command'), 'sweep', 'status', 'examples/sweeps/polynomial.json'];
        const env = {...process.env, NODE_EXTRA_CA_CERTS: certificate}; // read when a process starts
        const said = await promisify(execFile)(process.execPath, [...words, '--redis', url], {env});
        expect(said).toEqual({stdout: 'polynomial: 0 of 60 trials finished\n', stderr: ''});
      }
    },
  );

  it.skipIf(MISSING)('says an error of the server in one line', async () => {
    const {url} = await serve('--maxmemory', '1', '--maxmemory-policy', 'noeviction');
    const server = await open(url);
    const refused = await server.connection.set('key', 'value').catch(error => server.explain(error));
    expect(refused).toMatchObject({
      name: 'ValueError',
      message: expect.stringMatching(`^sweep: --redis: ${url} says: OOM`),
    });
    const other = new Error('other');
    expect(server.explain(other)).toBe(other);
  });
});

describe.skipIf(MISSING)('the lease of a coordinator', () => {
  it('has one holder at a time; it ends when it is given back, or when it is not renewed', async () => {
    const {connection} = await open((await serve()).url);
    const one = createLease(connection, 'sweep', 600);
    const two = createLease(connection, 'sweep', 600);
    const other = createLease(connection, 'another sweep', 600);
    expect([await one.hold(), await two.hold(), await other.hold()]).toEqual([true, false, true]);
    await two.release(); // of what it does not have
    expect([await two.hold(), await one.hold()]).toEqual([false, true]);
    await one.release();
    expect([await two.hold(), await one.hold()]).toEqual([true, false]);
    await vi.waitFor(async () => expect(await one.hold()).toBe(true), {timeout: 5000, interval: 20});
    expect(await two.hold()).toBe(false);
  });
});

describe.skipIf(MISSING)('the jobs of a sweep', () => {
  const halving = {option: 'steps', from: 1, to: 9, factor: 3};
  const spec = checkSpec({program: 'fake', figure: 'loss', goal: 'least', halving}, {path: 'a.json', name: 'a'});
  const settings = listSettings(spec);
  const trial = settings[0]!.trials[0]!;

  it('are added once, whoever adds them and however often', async () => {
    const server = await open((await serve()).url);
    const queues = [openQueue(server), openQueue(server)];
    const ledger = openLedger(spec, settings);
    for (const queue of [...queues, ...queues]) {
      await queue.addBulk([1, 3].map(until => jobToAdd(ledger, {trial, until})));
    }
    expect(await queues[0]!.getRanges(['wait', 'prioritized'], 0, -1, true)).toEqual([
      `a/${trial.id}/3`,
      `a/${trial.id}/1`,
    ]); // higher rungs first
  });

  it('have as many tries left as the trial has', () => {
    const tries = (deaths: string[]) => {
      const states = new Map([[trial.id, {sentTo: 1, reached: [{until: 1, figures: {loss: 1}}], deaths}]]);
      return jobToAdd(openLedger(spec, settings, states), {trial, until: 3}).opts.attempts;
    };
    expect([tries([]), tries(['one']), tries(['one', 'two'])]).toEqual([3, 2, 1]);
  });

  it('are refused by a worker where they would lead out of its folder', () => {
    const {data} = jobToAdd(openLedger(spec, settings), {trial, until: 3});
    expect(readJobData(data)).toEqual(data);
    for (const bad of [
      {sweep: '..'},
      {sweep: 'a/b'},
      {trial: {...trial, id: '../x'}},
      {trial: {...trial, program: '-e'}},
    ]) {
      expect(() => readJobData({...data, ...bad})).toThrow(/^sweep worker: no job of a sweep: /);
    }
  });
});
