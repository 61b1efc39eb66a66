// The way to a Redis or Valkey server: the two packages, loaded when they are asked for, and a first connection that fails soon and clearly.
// SPDX-License-Identifier: Apache-2.0
import type * as BullMQ from 'bullmq';
import type {Redis, RedisOptions} from 'ioredis';
import {ValueError} from 'tfjs-moe/node';

/** A server that has answered. */
export interface Server {
  /** For people: where it is, without user and password. */
  name: string;
  bullmq: typeof BullMQ;
  /** Once it stands it is set up again for as long as it takes; a command waits meanwhile. */
  connection: Redis;
  /** Says an error of the server as the user should read it; other errors are returned as they are. */
  explain(error: unknown): unknown;
  /** Ends the connection at once; what still waits for an answer is refused. */
  close(): void;
}

/** How long the first answer may take, in milliseconds. */
const PATIENCE = 4000;
/** The longest pause between two tries of a connection that was lost, in milliseconds. */
const LONGEST_PAUSE = 2000;

/**
 * Connects to a server.
 *
 * @param url `redis://[user:password@]host[:port][/database]`; `rediss://` for TLS.
 * @param tell Prints a line: when the connection is lost, and when it stands again.
 * @throws ValueError for any other URL, without the packages, and where no server answers soon or refuses.
 */
export async function connect(url: string, tell: (line: string) => void): Promise<Server> {
  const {name, options} = readUrl(url);
  const {bullmq, Client} = await loadPackages();
  let isUp = false;
  let isClosed = false;
  const connection = new Client({
    ...options,
    lazyConnect: true,
    connectTimeout: PATIENCE,
    maxRetriesPerRequest: null, // BullMQ's workers need it: a command waits for the connection to come back
    retryStrategy: tries => (isUp ? Math.min(100 * tries, LONGEST_PAUSE) : null),
  });
  const hide = (text: string) => (options.password ? text.replaceAll(options.password, '***') : text);
  let reason: Error | undefined;
  connection.on('error', error => {
    reason ??= error;
  });
  try {
    await within(PATIENCE, async () => {
      await connection.connect();
      await connection.ping();
    });
  } catch (error) {
    connection.disconnect();
    const {message} = reason ?? (error as Error);
    throw new ValueError(`sweep: --redis: ${sayWhy(name, hide(message))}`, {cause: error});
  }
  isUp = true;
  // BullMQ copies the connection with its options, and a copy that waits for `connect` would fail for ever if the server went away meanwhile.
  connection.options.lazyConnect = false;
  let isLost = false;
  connection.on('close', () => {
    if (!isLost && !isClosed) tell(`Lost the connection to ${name}; trying again.`);
    isLost = true;
  });
  connection.on('ready', () => {
    if (isLost) tell(`Connected to ${name} again.`);
    isLost = false;
  });
  return {
    name,
    bullmq,
    connection,
    explain: error =>
      (error as Error).name === 'ReplyError'
        ? new ValueError(`sweep: --redis: ${name} says: ${hide((error as Error).message)}.`, {cause: error})
        : error,
    close() {
      isClosed = true;
      connection.disconnect();
    },
  };
}

/** The parts of a URL, and a name that can be shown. */
export function readUrl(url: string): {name: string; options: RedisOptions} {
  const refuse = (cause?: unknown) => {
    const shown = url.replace(/^(\w+:\/\/)?.*@/s, '$1***@');
    return new ValueError(
      `sweep: --redis must be redis://host:port, or rediss://host:port with TLS, but got ${JSON.stringify(shown)}.`,
      {cause},
    );
  };
  let parts: URL;
  try {
    parts = new URL(url);
  } catch (error) {
    throw refuse(error);
  }
  const {protocol, hostname, port, username, password, pathname, search, hash} = parts;
  const database = pathname.match(/^\/?(\d*)$/)?.[1];
  const isServer = ['redis:', 'rediss:'].includes(protocol) && hostname !== '';
  if (!isServer || database === undefined || search !== '' || hash !== '') throw refuse();
  const host = hostname.replace(/^\[(.*)\]$/, '$1'); // an address of IPv6
  return {
    name: `${protocol}//${hostname}:${port || 6379}${database === '' ? '' : `/${database}`}`,
    options: {
      host,
      port: Number(port || 6379),
      db: Number(database),
      ...(username !== '' && {username: decodeURIComponent(username)}),
      ...(password !== '' && {password: decodeURIComponent(password)}),
      ...(protocol === 'rediss:' && {tls: {}}),
    },
  };
}

async function loadPackages(): Promise<{bullmq: typeof BullMQ; Client: typeof Redis}> {
  try {
    const [bullmq, ioredis] = await Promise.all([import('bullmq'), import('ioredis')]);
    return {bullmq, Client: ioredis.Redis};
  } catch (error) {
    throw new ValueError('sweep: --redis needs the packages bullmq and ioredis: npm install bullmq ioredis.', {
      cause: error,
    });
  }
}

/** What people can mend. */
const REASONS: [RegExp, (name: string) => string][] = [
  [/WRONGPASS|invalid password|without any password configured/i, name => `${name} refuses the user or the password.`],
  [/NOAUTH|Authentication required/i, name => `${name} wants a password: redis://:password@host:port.`],
  [
    /certificate|CERT_/i,
    name =>
      `the certificate of ${name} is not trusted; NODE_EXTRA_CA_CERTS may name the file of the authority behind it.`,
  ],
  [/ECONNREFUSED/, name => `no server listens at ${name}.`],
  [/ENOTFOUND|EAI_AGAIN/, name => `the host of ${name} is not known.`],
  [/ETIMEDOUT|no answer/, name => `${name} does not answer within ${PATIENCE / 1000} seconds.`],
  [
    /Protocol error|RESP type|Connection is closed|ECONNRESET/,
    name => `what listens at ${name} is not a Redis or Valkey server.`,
  ],
];

function sayWhy(name: string, message: string): string {
  const reason = REASONS.find(([pattern]) => pattern.test(message));
  return reason ? reason[1](name) : `${name} cannot be used: ${message}.`;
}

async function within(milliseconds: number, work: () => Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer')), milliseconds);
  });
  try {
    await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
