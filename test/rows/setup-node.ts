// tfjs-node: importing it registers the backend `tensorflow`.
// SPDX-License-Identifier: Apache-2.0
import '@tensorflow/tfjs-node';
