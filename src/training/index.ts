// The entry point tfjs-moe/training.
// SPDX-License-Identifier: Apache-2.0
import '../register-gradients.js';
import './register.js'; // so that `import 'tfjs-moe/training'` is enough to load a saved optimizer

export {klToUniform} from '../ops/kl-to-uniform.js';
export {type RandomSource, seeded, unseeded} from '../random/random-source.js';
export {type Annealable, AnnealTemperature, type AnnealTemperatureOptions} from './anneal-temperature.js';
export {RAdamOptimizer, type RAdamOptions, radam} from './radam.js';
export {type RouterChartMetric, RouterCharts, type RouterChartsOptions} from './router-charts.js';
export {RouterMonitor, type RouterMonitorOptions} from './router-monitor.js';
export {
  constantSchedule,
  cosineSchedule,
  type ExponentialOptions,
  exponentialSchedule,
  linearSchedule,
  type RampOptions,
  type Schedule,
} from './schedules.js';
export {sumBinaryCrossentropy} from './sum-binary-crossentropy.js';
export type {
  VisChartOptions,
  VisContainer,
  VisCurves,
  VisLibrary,
  VisPoint,
  VisRender,
  VisSurface,
  VisSurfaceInfo,
  VisVisor,
} from './vis-library.js';
