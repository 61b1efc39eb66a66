// The functions of the binary. Addresses are bytes in the backend's memory, sizes are counts of elements; nothing here allocates or checks.
// SPDX-License-Identifier: Apache-2.0
export {compare, extreme, logical, select} from './compare';
export {copyBlocks, repeatBlocks} from './copy-blocks';
export {combineRows, combineRowsGradient} from './combine-rows';
export {copyRows, findOutside} from './copy-rows';
export {segmentSum, segmentSumInteger} from './segment-sum';
export {sumAxis} from './sum-axis';
export {tanh} from './tanh';
export {matMul} from './mat-mul';
export {groupedMatMul, groupedMatMulGradB} from './mat-mul-grouped';
export {groupedFinishGradient} from './finish-gradient';
export {matMulScratch} from './mat-mul-product';
export {convolve} from './convolve';
export {depthwiseConvolve, depthwiseFilterGradient} from './depthwise';
export {convolveFilterGradient} from './filter-gradient';
export {packFlippedFilters} from './pack-filters';
export {averagePoolGradient, maxPoolGradient} from './pool-gradients';
export {repeatNumbers, sumNumbers} from './repeat';
export {updateAdam} from './adam-update';
export {
  batchGradientSums, batchMoments, batchNormalize, batchNormalizeGradient, joinMoments, joinSums,
} from './batch-normalize';
export {markLargest, sampleCategories} from './draws';
export {fillUniforms, gumbelNoise} from './random';
export {reinmaxGradient, relativeRows, softmaxGradient} from './softmax-rows';
export {gumbelRaoGradient, gumbelRaoScratch} from './gumbel-rao';
