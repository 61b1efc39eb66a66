// The functions of the binary. Addresses are bytes in the backend's memory, sizes are counts of elements; nothing here allocates or checks.
// SPDX-License-Identifier: Apache-2.0
export {copyRows} from './copy-rows';
