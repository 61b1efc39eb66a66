// What a measuring process says next.
// SPDX-License-Identifier: Apache-2.0
import type {ChildProcess} from 'node:child_process';
import {once} from 'node:events';

/** The next message of a child; one that dies instead is an error, which names the bench and the process. */
export async function nextAnswer<Answer>(child: ChildProcess, name: string): Promise<Answer> {
  const stop = new AbortController();
  const died = once(child, 'exit', {signal: stop.signal}).then(([code, signal]) => {
    throw new Error(`${name} stopped (${signal ?? `exit status ${code}`}).`);
  });
  try {
    const [answer] = (await Promise.race([once(child, 'message', {signal: stop.signal}), died])) as [Answer];
    return answer;
  } finally {
    died.catch(() => {}); // its end by the abort is no error
    stop.abort();
  }
}
