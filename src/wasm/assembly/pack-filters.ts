// Filters as `convolve` reads them: eight channels of the result next to each other, zeros where there are fewer.
// SPDX-License-Identifier: Apache-2.0

/**
 * The filters of the gradient of a convolution with respect to its images: packed[panel, (row, column, o), c] is
 * filter[firstRow - row * rowStep, firstColumn - column * columnStep, 8 panel + c, o], for row < rows and column < columns; over panels.
 *
 * @param filter [height, width, inChannels, outChannels].
 */
export function packFlippedFilters(
  filter: usize, packed: usize, width: i32, inChannels: i32, outChannels: i32,
  rows: i32, firstRow: i32, rowStep: i32, columns: i32, firstColumn: i32, columnStep: i32,
  begin: i32, end: i32, _worker: i32,
): void {
  for (let panel = begin; panel < end; ++panel) {
    let to = packed + (((<usize>panel) * (<usize>(rows * columns * outChannels))) << 5);
    const count = min(8, inChannels - (panel << 3));
    for (let row = 0; row < rows; ++row) {
      for (let column = 0; column < columns; ++column) {
        const tap = (firstRow - row * rowStep) * width + firstColumn - column * columnStep;
        for (let c = 0; c < 8; ++c) {
          const from = filter + ((<usize>((tap * inChannels + (panel << 3) + c) * outChannels)) << 2);
          for (let o = 0; o < outChannels; ++o) {
            store<f32>(to + ((<usize>o) << 5) + (c << 2), c < count ? load<f32>(from + ((<usize>o) << 2)) : 0);
          }
        }
        to += (<usize>outChannels) << 5;
      }
    }
  }
}
