// The controls of all labs.
// SPDX-License-Identifier: Apache-2.0
export {BackendChoice} from './backend-choice.js';
export {Button} from './button.js';
export {Choice, type Option} from './choice.js';
export {Figure} from './figure.js';
export {Slider} from './slider.js';
export {Toggle} from './toggle.js';
