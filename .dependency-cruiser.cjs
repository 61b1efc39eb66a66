// The dependency directions of the library. A rule below that is broken fails `npm run lint`:
//   errors, ops <- random <- estimators <- layers <- training <- index;   errors, ops, random <- router <- layers.
const SRC = 'src/';
const from = (...folders) => ({path: `^${SRC}(${folders.join('|')})(/|\\.ts$)`});
const notTo = (...folders) => ({path: `^${SRC}(${folders.join('|')})(/|\\.ts$)`});

module.exports = {
  forbidden: [
    {name: 'no-cycles', severity: 'error', from: {}, to: {circular: true}},
    {
      name: 'errors-and-ops-are-the-ground',
      severity: 'error',
      from: from('errors', 'ops'),
      to: notTo('random', 'estimators', 'router', 'layers', 'training', 'wasm', 'node', 'bin', 'index'),
    },
    {
      name: 'random-uses-errors-and-ops-only',
      severity: 'error',
      from: from('random'),
      to: notTo('estimators', 'router', 'layers', 'training', 'wasm', 'node', 'bin', 'index'),
    },
    {
      name: 'estimators-know-neither-router-nor-layers',
      severity: 'error',
      from: from('estimators'),
      to: notTo('router', 'layers', 'training', 'wasm', 'node', 'bin', 'index'),
    },
    {
      name: 'router-knows-neither-estimators-nor-layers',
      severity: 'error',
      from: from('router'),
      to: notTo('estimators', 'layers', 'training', 'wasm', 'node', 'bin', 'index'),
    },
    {
      name: 'layers-know-not-training',
      severity: 'error',
      from: from('layers'),
      to: notTo('training', 'wasm', 'node', 'bin', 'index'),
    },
    {
      name: 'training-knows-not-what-stands-beside-or-above',
      severity: 'error',
      from: from('training'),
      to: notTo('wasm', 'node', 'bin', 'index'),
    },
    {
      name: 'wasm-and-node-stand-beside',
      severity: 'error',
      from: {path: `^${SRC}`, pathNot: `^${SRC}(wasm|node|bin)/`},
      to: {path: `^${SRC}(wasm|node|bin)/`},
    },
    {
      name: 'wasm-knows-not-node',
      severity: 'error',
      from: from('wasm'),
      to: notTo('node'),
    },
    {
      name: 'wasm-and-node-use-errors-and-ops-only',
      comment: 'node may ask wasm for its kernels: useBackend registers them.',
      severity: 'error',
      from: {path: `^${SRC}(wasm|node)/`},
      to: notTo('random', 'estimators', 'router', 'layers', 'training', 'bin', 'index'),
    },
    {
      name: 'programs-import-public-entry-points-only',
      comment: 'An example is what a user could write: tfjs-moe and tfjs-moe/<entry>, never a file inside src.',
      severity: 'error',
      from: {path: '^(examples|bench)/'},
      to: {path: `^${SRC}`, pathNot: `^${SRC}(index|(estimators|router|layers|training|wasm|node)/index)\\.ts$`},
    },
  ],
  options: {
    tsConfig: {fileName: 'tsconfig.json'},
    tsPreCompilationDeps: true,
    doNotFollow: {path: 'node_modules'},
    enhancedResolveOptions: {exportsFields: ['exports'], conditionNames: ['import', 'types', 'default']},
  },
};
