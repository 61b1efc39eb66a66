// tfjs-core and a backend alone know no gradients: `gradient function not found for Sum`. Importing tfjs-layers registers
// them, and the deep import of tfjs-core that would do it alone cannot be resolved by Node. Every entry point imports this file.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-layers';
