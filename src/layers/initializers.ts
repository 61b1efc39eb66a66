// Initializers by name and from a saved configuration, which tfjs-layers does not let others resolve.
// SPDX-License-Identifier: Apache-2.0
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {show, ValueError} from '../errors.js';
import type {Initializer, InitializerIdentifier} from './tfjs-types.js';

const FACTORIES = tfl.initializers as unknown as Record<string, (config: object) => Initializer>;

/**
 * Makes an initializer.
 *
 * @param seed Given to an initializer that is named, so that it starts reproducibly; one that is passed as an object keeps its own.
 */
export function resolveInitializer(
  owner: string,
  field: string,
  identifier: InitializerIdentifier,
  seed?: number,
): Initializer {
  if (typeof identifier === 'string') {
    const factory = FACTORIES[identifier];
    if (factory === undefined) {
      throw new ValueError(
        `${owner}: ${field} must be an initializer or one of ${Object.keys(FACTORIES).map(show).join(', ')}, but got ${show(identifier)}.`,
      );
    }
    return factory(seed === undefined ? {} : {seed});
  }
  if ('getConfig' in identifier) return identifier;
  const [initializer, fromConfig] = lookUpClass(owner, field, identifier.className);
  return fromConfig(initializer, identifier.config) as Initializer;
}

/** The saved form of an initializer. */
export function serializeInitializer(initializer: InitializerIdentifier): tf.serialization.ConfigDictValue {
  if (typeof initializer === 'string') return initializer;
  if (!('getConfig' in initializer)) return initializer as unknown as tf.serialization.ConfigDict;
  return {className: initializer.getClassName(), config: initializer.getConfig()};
}

/** A class that was registered with tfjs, with its fromConfig. */
export function lookUpClass(owner: string, field: string, className: string) {
  const found = tf.serialization.SerializationMap.getMap().classNameMap[className];
  if (found === undefined) {
    throw new ValueError(
      `${owner}: ${field} names the class ${show(className)}, which is not registered. Import the module that defines it before loading.`,
    );
  }
  return found;
}
