// The picture of a run: bits per byte, how the bytes spread over the experts, and which kinds of bytes each expert reads.
// SPDX-License-Identifier: Apache-2.0
import type {TopLevelSpec} from 'vega-lite';
import type {PositionFieldDef} from 'vega-lite/build/src/channeldef.js';
import type {ReportRecord} from './training.js';

/** Kinds of bytes, in the order of the picture; a byte is of the first kind that has it. */
const KINDS: readonly [name: string, has: RegExp][] = [
  ['a-z', /[a-z]/],
  ['A-Z', /[A-Z]/],
  ['0-9', /[0-9]/],
  ['space', / /],
  ['line end', /[\n\r]/],
  ['( ) [ ] { } < >', /[()[\]{}<>]/],
  [', . ; :', /[,.;:]/],
  ['other signs', /[!-~]/],
  ['other bytes', /./s],
];

/** What the picture shows. */
export interface ChartInput {
  history: readonly ReportRecord[];
  /** [block][expert][byte]: how many held-out bytes each expert read. */
  readers: readonly (readonly (readonly number[])[])[];
  title: string;
}

/** A Vega-Lite specification: bits per byte, and for each block with experts their load and what they read. */
export function runChart({history, readers, title}: ChartInput): TopLevelSpec {
  const width = 560;
  const step: PositionFieldDef<string> = {field: 'step', type: 'quantitative', title: 'Step', axis: {grid: false}};
  const bits = history.flatMap(({step, trainBitsPerByte, validationBitsPerByte}) => [
    {step, text: 'training', bits: trainBitsPerByte},
    {step, text: 'held out', bits: validationBitsPerByte},
  ]);
  const panels = readers.map((ofBlock, block) => {
    const loads = history.flatMap(({step, expertLoad}) =>
      expertLoad[block]!.map((share, expert) => ({step, expert: String(expert), share: 100 * share})),
    );
    const experts = ofBlock.map((_, expert) => String(expert));
    return {
      hconcat: [
        {
          width: width / 2 - 30,
          height: 160,
          title: {text: `Block ${block}: load of each expert`, fontSize: 12, anchor: 'start' as const},
          layer: [
            {
              data: {values: loads},
              mark: {type: 'line' as const},
              encoding: {
                x: step,
                y: {
                  field: 'share',
                  type: 'quantitative' as const,
                  title: '% of the bytes',
                  scale: {zero: true},
                },
                color: {
                  field: 'expert',
                  type: 'nominal' as const,
                  sort: experts,
                  legend: null,
                  scale: {scheme: experts.length > 10 ? ('category20' as const) : ('category10' as const)},
                },
              },
            },
            {
              // Where all experts would take the same share.
              data: {values: [{share: 100 / ofBlock.length}]},
              mark: {type: 'rule' as const, strokeDash: [4, 4], color: '#777777'},
              encoding: {y: {field: 'share', type: 'quantitative' as const}},
            },
          ],
        },
        {
          width: width / 2 - 110,
          height: 160,
          title: {text: `Block ${block}: who reads what`, fontSize: 12, anchor: 'start' as const},
          data: {values: sharesByKind(ofBlock)},
          mark: {type: 'rect' as const},
          encoding: {
            x: {field: 'expert', type: 'nominal' as const, title: 'Expert', sort: experts, axis: {labelAngle: 0}},
            y: {field: 'kind', type: 'nominal' as const, title: null, sort: KINDS.map(([name]) => name)},
            color: {
              field: 'share',
              type: 'quantitative' as const,
              title: '% of the kind',
              scale: {scheme: 'blues' as const, domain: [0, 100]},
            },
          },
        },
      ],
    };
  });
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v5.json',
    title: {
      text: title,
      subtitle: panels.length > 0 ? 'Dashed: the load of each expert if all took the same share' : [],
      anchor: 'start',
      fontSize: 14,
      subtitlePadding: 4,
    },
    background: 'white',
    spacing: 12,
    resolve: {legend: {color: 'independent'}, scale: {color: 'independent'}},
    vconcat: [
      {
        width,
        height: 220,
        data: {values: bits},
        mark: {type: 'line', point: history.length < 40},
        encoding: {
          x: step,
          y: {field: 'bits', type: 'quantitative', title: 'Cross-entropy (bits per byte)', scale: {zero: true}},
          color: {
            field: 'text',
            type: 'nominal',
            title: 'Text',
            sort: ['training', 'held out'],
            scale: {range: ['#999999', '#111111']},
          },
        },
      },
      ...panels,
    ],
    config: {axis: {labelFontSize: 11, titleFontSize: 12}, legend: {labelFontSize: 11, titleFontSize: 12}},
  };
}

/** For each kind of bytes that occurs, the share in percent that each expert reads. */
function sharesByKind(ofBlock: readonly (readonly number[])[]): {kind: string; expert: string; share: number}[] {
  const kindOf = (byte: number) => KINDS.findIndex(([, has]) => has.test(String.fromCharCode(byte)));
  const counts = KINDS.map(() => ofBlock.map(() => 0));
  ofBlock.forEach((ofExpert, expert) => {
    ofExpert.forEach((count, byte) => {
      counts[kindOf(byte)]![expert]! += count;
    });
  });
  return counts.flatMap((ofKind, kind) => {
    const total = ofKind.reduce((sum, count) => sum + count, 0);
    if (total === 0) return [];
    return ofKind.map((count, expert) => ({
      kind: KINDS[kind]![0],
      expert: String(expert),
      share: (100 * count) / total,
    }));
  });
}
