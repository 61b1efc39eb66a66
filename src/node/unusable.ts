// Why a backend that is installed does not run: what `auto` passes over, and a caller who named the backend is told.
// SPDX-License-Identifier: Apache-2.0

/** Says in a few words, without a full stop, what is wrong. */
export class Unusable extends Error {}
