// Every kernel of ours, by its name.
// SPDX-License-Identifier: Apache-2.0

import type * as tf from '@tensorflow/tfjs-core';
import {castWith} from './arrays/cast.js';
import {compareWith, extremeWith, logicalWith, selectWith} from './arrays/compare.js';
import {concatWith} from './arrays/concat.js';
import {gatherWith} from './arrays/gather.js';
import {identityWith} from './arrays/identity.js';
import {oneHotWith} from './arrays/one-hot.js';
import {powWith} from './arrays/pow.js';
import {meanWith, overEmptyAxes, sumWith} from './arrays/reductions.js';
import {reverseWith} from './arrays/reverse.js';
import {sliceWith, splitWith, unpackWith} from './arrays/slice.js';
import {tanhWith} from './arrays/tanh.js';
import {tileWith} from './arrays/tile.js';
import {transposeWith} from './arrays/transpose.js';
import {unsortedSegmentSumKernel} from './arrays/unsorted-segment-sum.js';
import {conv2DBackpropFilterKernel} from './convolutions/conv2d-backprop-filter.js';
import {conv2DBackpropInputWith} from './convolutions/conv2d-backprop-input.js';
import {depthwiseBackpropFilterKernel} from './convolutions/depthwise-backprop-filter.js';
import {depthwiseBackpropInputKernel} from './convolutions/depthwise-backprop-input.js';
import {avgPoolGradWith, maxPoolGradWith} from './convolutions/pool-gradients.js';
import {avgPoolWith, convolutionWith, maxPoolWith} from './convolutions/window-fit.js';
import {adamUpdateKernel} from './fused/adam-update.js';
import {batchNormalizeGradientKernel, batchNormalizeKernel, batchStatisticsKernel} from './fused/batch-normalize.js';
import {combineRowsGradientKernel, combineRowsKernel, sumRowsKernel} from './fused/combine-rows.js';
import {categoricalSampleKernel, topKMaskKernel} from './fused/draw-kernels.js';
import {gumbelRaoGradientKernel} from './fused/gumbel-rao.js';
import {gumbelNoiseKernel, philoxUniformsKernel} from './fused/random-kernels.js';
import {reinmaxGradientKernel, relativeRowsKernel, softmaxGradientKernel} from './fused/row-kernels.js';
import {batchMatMulWith} from './products/batch-mat-mul.js';
import {einsumKernel} from './products/einsum.js';
import {fusedMatMulWith} from './products/fused-mat-mul.js';
import {groupedFinishGradKernel} from './products/grouped-finish-grad.js';
import {groupedMatMulGradBKernel, groupedMatMulKernel} from './products/grouped-mat-mul.js';
import type {SafeRightOperand} from './products/right-operands.js';

/** Every kernel that we replace, and what makes ours from the stock one. */
export const REPLACEMENTS: Record<
  string,
  (stock: tf.KernelConfig, safeRightOperand: SafeRightOperand) => tf.KernelFunc
> = {
  AvgPool: avgPoolWith,
  AvgPoolGrad: avgPoolGradWith,
  BatchMatMul: batchMatMulWith,
  Cast: castWith,
  Concat: concatWith,
  Conv2D: convolutionWith,
  Conv2DBackpropInput: conv2DBackpropInputWith,
  DepthwiseConv2dNative: convolutionWith,
  Equal: compareWith,
  FusedConv2D: convolutionWith,
  FusedDepthwiseConv2D: convolutionWith,
  _FusedMatMul: fusedMatMulWith,
  GatherV2: gatherWith,
  Greater: compareWith,
  GreaterEqual: compareWith,
  Identity: identityWith,
  Less: compareWith,
  LessEqual: compareWith,
  LogicalAnd: logicalWith,
  LogicalOr: logicalWith,
  Max: stock => overEmptyAxes(stock, dtype => (dtype === 'float32' ? Number.NaN : 0)),
  Maximum: extremeWith,
  MaxPool: maxPoolWith,
  MaxPoolGrad: maxPoolGradWith,
  Mean: meanWith,
  Min: stock => overEmptyAxes(stock, dtype => (dtype === 'float32' ? Number.NaN : 0)),
  Minimum: extremeWith,
  NotEqual: compareWith,
  OneHot: oneHotWith,
  Pow: powWith,
  Prod: stock => overEmptyAxes(stock, () => 1),
  Reverse: reverseWith,
  Select: selectWith,
  Slice: sliceWith,
  SplitV: splitWith,
  Sum: sumWith,
  Tanh: tanhWith,
  Tile: tileWith,
  Transpose: transposeWith,
  Unpack: unpackWith,
};

/** Every kernel that the backend lacks, of an op of tfjs; where it has one by now, ours steps aside. */
export const SUPPLEMENTS: Record<string, tf.KernelFunc> = {
  Conv2DBackpropFilter: conv2DBackpropFilterKernel,
  DepthwiseConv2dNativeBackpropFilter: depthwiseBackpropFilterKernel,
  DepthwiseConv2dNativeBackpropInput: depthwiseBackpropInputKernel,
  Einsum: einsumKernel,
  UnsortedSegmentSum: unsortedSegmentSumKernel,
};

/** Kernels of ops of ours, which ask for them and do without. They need the binary and are not registered where it cannot run. */
export const FUSED: Record<string, tf.KernelFunc> = {
  AdamUpdate: adamUpdateKernel,
  BatchNormalize: batchNormalizeKernel,
  BatchNormalizeGradient: batchNormalizeGradientKernel,
  BatchStatistics: batchStatisticsKernel,
  CategoricalSample: categoricalSampleKernel,
  CombineRows: combineRowsKernel,
  CombineRowsGradient: combineRowsGradientKernel,
  GroupedFinishGrad: groupedFinishGradKernel,
  GroupedMatMul: groupedMatMulKernel,
  GroupedMatMulGradB: groupedMatMulGradBKernel,
  GumbelNoise: gumbelNoiseKernel,
  GumbelRaoGradient: gumbelRaoGradientKernel,
  PhiloxUniforms: philoxUniformsKernel,
  ReinmaxGradient: reinmaxGradientKernel,
  RelativeRows: relativeRowsKernel,
  SoftmaxGradient: softmaxGradientKernel,
  SumRows: sumRowsKernel,
  TopKMask: topKMaskKernel,
};
