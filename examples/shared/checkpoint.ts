// A run that can go on: one file with the settings, the loop's state and every tensor, replaced as a whole and checked when read.
// SPDX-License-Identifier: Apache-2.0
import {createHash} from 'node:crypto';
import {readFile} from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs-core';
import {ValueError, writeAtomically} from 'tfjs-moe/node';

// The file: 8 bytes of magic, 32 bytes of sha256 over all that follows, the header's length as a little-endian word, the header as
// JSON, the tensors' bytes as tf.io.encodeWeights lays them out.
const MAGIC = Buffer.from('tfjsmoe1', 'latin1');
const DIGEST = 32;
const PREAMBLE = MAGIC.length + DIGEST + 4;

/** A tensor with the name under which it is saved. */
export type NamedTensor = Awaited<ReturnType<tf.Optimizer['getWeights']>>[number];

/** What a run needs to go on. */
export interface Checkpoint<State extends object> {
  /** The program's name. */
  program: string;
  /** Everything that decides the run's numbers, as JSON. */
  settings: Record<string, unknown>;
  /** Where the loop stands, as JSON; no NaN and no infinities. */
  state: State;
  /** In an order that the program knows; the names must differ. */
  tensors: NamedTensor[];
}

/** A checkpoint as it was read: the tensors are made when they are asked for, since the settings say on which backend. */
export interface SavedCheckpoint<State extends object> extends Omit<Checkpoint<State>, 'tensors'> {
  /** Makes the tensors on the current backend, in the order in which they were saved; the caller owns them. */
  decodeTensors(): NamedTensor[];
}

/** Writes a checkpoint. The caller keeps the tensors. */
export async function saveCheckpoint<State extends object>(path: string, checkpoint: Checkpoint<State>): Promise<void> {
  const {program, settings, state, tensors} = checkpoint;
  const {data, specs} = await tf.io.encodeWeights(tensors);
  const header = Buffer.from(JSON.stringify({program, settings, state, specs}), 'utf8');
  const length = Buffer.alloc(4);
  length.writeUInt32LE(header.length);
  const body = Buffer.concat([length, header, new Uint8Array(data)]);
  await writeAtomically(path, Buffer.concat([MAGIC, digest(body), body]));
}

/**
 * Reads a checkpoint; no backend need run yet.
 *
 * @throws ValueError if there is none, if it is of another program or kind, or if a single bit of it has changed.
 */
export async function loadCheckpoint<State extends object>(
  path: string,
  program: string,
): Promise<SavedCheckpoint<State>> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new ValueError(`loadCheckpoint: ${path} cannot be read: ${(error as Error).message}.`, {cause: error});
  }
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new ValueError(`loadCheckpoint: ${path} is not a checkpoint of these programs.`);
  }
  const body = bytes.subarray(MAGIC.length + DIGEST);
  if (bytes.length < PREAMBLE || !digest(body).equals(bytes.subarray(MAGIC.length, MAGIC.length + DIGEST))) {
    throw new ValueError(
      `loadCheckpoint: ${path} is damaged or cut short: its checksum does not fit its ${bytes.length} bytes.`,
    );
  }
  const headerEnd = 4 + body.readUInt32LE(0);
  const header = JSON.parse(body.subarray(4, headerEnd).toString('utf8'));
  if (header.program !== program) {
    throw new ValueError(`loadCheckpoint: ${path} is of the program ${header.program}, not of ${program}.`);
  }
  const specs: tf.io.WeightsManifestEntry[] = header.specs;
  // A copy of its own: tensors are views of it, and small reads share one buffer.
  const data = new Uint8Array(body.subarray(headerEnd)).buffer;
  const decodeTensors = () => {
    const decoded = tf.io.decodeWeights(data, specs);
    return specs.map(({name}) => ({name, tensor: decoded[name]!}));
  };
  return {program, settings: header.settings, state: header.state, decodeTensors};
}

/**
 * Refuses to go on under settings that differ from those of the checkpoint.
 *
 * @param saved The checkpoint's settings.
 * @param wanted The settings that the user asks for; those that are absent are not compared.
 */
export function checkSameSettings(saved: Record<string, unknown>, wanted: Record<string, unknown>): void {
  const differing = Object.keys(wanted).filter(name => JSON.stringify(wanted[name]) !== JSON.stringify(saved[name]));
  if (differing.length === 0) return;
  const list = differing.map(name => `${name} was ${JSON.stringify(saved[name])}, now ${JSON.stringify(wanted[name])}`);
  throw new ValueError(
    `--resume: the run was started with other settings: ${list.join('; ')}. Leave them out, or start anew.`,
  );
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
